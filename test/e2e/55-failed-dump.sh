# A dump that fails after the task was asked takes nothing away: repeated, it is as
# small and as right as it would have been.
. "$(dirname "$0")/lib.sh"
pages_start --mib 16 --write-percent 10
predump 1
pages_round
mkdir 2
must_fail criu dump -t "$pid" -D 2 --track-mem --prev-images-dir ../1 -v4 -o log --action-script /bin/false
kill -0 "$pid" || fail "the task is gone"
dump 3 --track-mem --prev-images-dir ../1
holds "pages dumped" "$(stat_of 3 pages_written)" -ge $((wrote + table))
holds "pages dumped" "$(stat_of 3 pages_written)" -le $((wrote + table + 200))
restore 3
pages_verify
