# Memory of which another process has a userfaultfd: no freezer takes it away from that one.
# Its pages are in the images, what is not there is not asked for, and it is watched as before.
. "$(dirname "$0")/lib.sh"
setsid taskset -c 0 "$BIN/advice" "$PWD/report" watched </dev/null >/dev/null 2>&1 &
poll 100 test -s report
read -r pid helper <report

# Mappings that a userfaultfd watches, and how
watched()
{
	awk '/^[0-9a-f]+-/ { at = $1 } /^VmFlags:.* u[mw]/ { print at, / um/, / uw/ }' "/proc/$pid/smaps"
}

before=$(watched)
[ -n "$before" ] || fail "nothing is watched"
CRIU=criu-stock dump stock --leave-running
CRIU=criu-stock dump again --leave-running
for freezer in ${FREEZERS:-deactivate fork wp}; do
	FRAZIL_FREEZE=$freezer dump $freezer --leave-running
	is "freezer" "$(live_of $freezer freezer)" $freezer
	is "what is watched after $freezer" "$(watched)" "$before"
	must python3 "$(dirname "$0")/imgdiff.py" stock $freezer again
done
kill_task
kill -KILL "$helper"
restore $freezer
kill_task
