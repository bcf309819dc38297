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
