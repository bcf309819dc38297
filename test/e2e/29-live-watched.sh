# Memory of which another process has a userfaultfd: no freezer takes it away from that one, nor
# takes what that one has closed for frozen. Its pages are in the images, what is not there is not
# asked for, and it is watched as before.
. "$(dirname "$0")/lib.sh"

# Mappings that a userfaultfd watches, and how
watched()
{
	awk '/^[0-9a-f]+-/ { at = $1 } /^VmFlags:.* u[mw]/ { print at, / um/, / uw/ }' "/proc/$pid/smaps"
}

advice_start none
declare -A copied
for freezer in ${FREEZERS:-deactivate fork wp}; do
	FRAZIL_FREEZE=$freezer dump none-$freezer --leave-running
	copied[$freezer]=$(live_of none-$freezer copied_frozen)
done
kill_task

advice_start watched
before=$(watched)
[ -n "$before" ] || fail "nothing is watched"
CRIU=criu-stock dump stock --leave-running
CRIU=criu-stock dump again --leave-running
for freezer in ${FREEZERS:-deactivate fork wp}; do
	FRAZIL_FREEZE=$freezer dump $freezer --leave-running
	is "freezer" "$(live_of $freezer freezer)" $freezer
	is "what is watched after $freezer" "$(watched)" "$before"
	must python3 "$(dirname "$0")/imgdiff.py" stock $freezer again
	# A child has the 8 pages of that mapping, with fork.
	[ $freezer = fork ] && more=0 || more=8
	is "pages copied with $freezer" "$(live_of $freezer copied_frozen)" $((copied[$freezer] + more))
done
kill_task
kill -KILL "$helper"
restore $freezer
kill_task
