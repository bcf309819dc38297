# A chain of dumps of a task that runs on: each begins a round, each is complete.
. "$(dirname "$0")/lib.sh"
pages_start --mib 32 --write-percent 10 --read-percent 10
dump 1 --track-mem --leave-running
pages_round
dirtied=0
pages_round
dump 2 --track-mem --leave-running --prev-images-dir ../1
pages_round
dirtied=0
pages_round
pages_verify
dump 3 --track-mem --leave-running --prev-images-dir ../2
holds "pages dumped" "$(stat_of 3 pages_written)" -lt 4000
kill_task
restore 3
pages_verify
