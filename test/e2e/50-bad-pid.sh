# No such task, and a task that has no memory to track: an error, and no images that
# look complete.
. "$(dirname "$0")/lib.sh"
mkdir 1 2
must_fail criu pre-dump -t 999999 -D 1 -v4
[[ $out == *"Can't"* || $out == *"No such"* || $out == *rror* ]] || fail "no reason given: $out"
[ ! -e 1/inventory.img ] || fail "an inventory was written"
kthread=$(ps -eo pid=,ppid= | awk '$2 == 2 { print $1; exit }')
must_fail timeout 30 criu pre-dump -t "$kthread" -D 2 -v4
[ ! -e 2/inventory.img ] || fail "an inventory was written"

# What is in the way of a dump before there is anything to write leaves older images alone.
bank_start --mib 4
dump 3 --leave-running
must_fail criu dump -t 999999 -D 3 --leave-running -v4 -o again.log
kill_task
restore 3
bank_verify
kill_task
