# What is pinned for DMA can change at any time without a fault: `deactivate` does not close it,
# and so it is copied while the task is stopped.
. "$(dirname "$0")/lib.sh"
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
[ -e /sys/kernel/debug/gup_test ] || skip "no gup_test in this kernel"

declare -A copied
for kind in none pinned; do
	advice_start $kind
	CRIU=criu-stock dump $kind-stock --leave-running
	CRIU=criu-stock dump $kind-again --leave-running
	for freezer in deactivate fork; do
		dir=$kind-$freezer
		FRAZIL_FREEZE=$freezer dump $dir --leave-running
		copied[$dir]=$(live_of $dir copied_frozen)
		must python3 "$(dirname "$0")/imgdiff.py" $kind-stock $dir $kind-again
	done
	[ "$helper" = 0 ] || kill -KILL "$helper"
	kill_task
done
is "pages copied with deactivate" "${copied[pinned-deactivate]}" $((copied[none-deactivate] + 4))
is "pages copied with fork" "${copied[pinned-fork]}" "${copied[none-fork]}"

# With asynchronous I/O, which is what pins memory for devices of a task that can be dumped, what is pinned when
# a round begins counts as written in that round.
advice_start pinned-aio
predump 1
predump 2 --prev-images-dir ../1
predump 3 --prev-images-dir ../2
kill -KILL "$helper"
predump 4 --prev-images-dir ../3
predump 5 --prev-images-dir ../4
is "pages dumped again for being pinned" $(($(stat_of 3 pages_written) - $(stat_of 5 pages_written))) 4
kill_task

# Without kernel/series nothing tells which pages these are.
FRAZIL_TRACKER=wp
export FRAZIL_TRACKER
advice_start aio
predump 7
log_has 7/pre-dump.log "it uses asynchronous I/O, and wp does not notice what devices write"
kill_task
