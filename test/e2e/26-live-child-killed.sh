# The child that has a task's memory is killed when its pages are about to be listed, as the
# kernel may do for want of memory: no images are taken for complete that lack pages.
. "$(dirname "$0")/lib.sh"
bank_start --mib 16 --threads 2 --alone
export FRAZIL_FREEZE=fork
mkdir images
must_fail env LD_PRELOAD="$BIN/orphan.so" TASK="$pid" \
	criu dump -D images -t "$pid" --leave-running -v4 -o dump.log
log_has images/dump.log "Memory of $pid is in "
# Either the kernel tells that there is nothing to list any more, or the plugin does.
grep -q "PAGEMAP_SCAN: No such process" images/dump.log ||
	log_has images/dump.log "$pid: its memory cannot be kept: No such process"
[ ! -e images/inventory.img ] || fail "an inventory was written"
bank_verify
is "children of the task" "$(cat "/proc/$pid/task/$pid/children")" ""
dump next --leave-running
bank_verify
kill_task
restore next
bank_verify
kill_task
