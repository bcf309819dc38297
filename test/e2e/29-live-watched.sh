# Memory of which another process has a userfaultfd: no freezer takes it away from that one, nor
# takes what that one has closed for frozen. Its pages are in the images, what is not there is not
# asked for, and it is watched as before. When that process is to fill what is not there, nobody
# else knows what the task would find: the task is not dumped.
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

advice_start missing
before=$(watched)
[ -n "$before" ] || fail "nothing is watched"
for freezer in ${FREEZERS:-deactivate fork wp}; do
	# A child does not have that userfaultfd: it only shows where the kernel tells at once.
	[[ $freezer != fork || " ${FREEZERS:-deactivate} " = *" deactivate "* ]] || continue
	mkdir missing-$freezer
	must_fail env FRAZIL_FREEZE=$freezer criu dump -D missing-$freezer -t "$pid" --leave-running -v4 -o dump.log
	log_has missing-$freezer/dump.log "Pages come through a userfaultfd"
	[ ! -e missing-$freezer/inventory.img ] || fail "an inventory of a dump that failed"
	is "what is watched after $freezer" "$(watched)" "$before"
	is "state after $freezer" "$(awk '/^State/ { print $2 }' "/proc/$pid/status")" S
done
kill_task
kill -KILL "$helper"
