# A task has a child without exit signal of its own, as the one of fork has none: that one is not
# taken for it, nor waited for when it is dead.
. "$(dirname "$0")/lib.sh"
for freezer in ${FREEZERS:-deactivate fork wp}; do
	advice_start child
	FRAZIL_FREEZE=$freezer dump child-$freezer --leave-running
	is "children of the task" "$(cat "/proc/$pid/task/$pid/children")" "$helper "
	kill -KILL "$helper"
	kill_task

	advice_start dead
	FRAZIL_FREEZE=$freezer dump dead-$freezer --leave-running
	rm report
	kill -USR1 "$pid"
	poll 50 test -s report
	is "what waiting for it returns" "$(<report)" "$helper"
	kill_task
done
