# A task whose memory another process watches with a userfaultfd cannot clone itself before that
# process has taken note of it, and may wait for ever: the dump fails then, and says why; and when
# it is taken note of at last, the task is as before, without a child.
. "$(dirname "$0")/lib.sh"

# Whether it does what it did: wait for signals, in pause()
pauses()
{
	grep -q "^34 " "/proc/$pid/syscall"
}

advice_start unanswered
poll 50 pauses
mkdir images
must_fail criu dump -D images -t "$pid" --leave-running -v4 -o dump.log
log_has images/dump.log "clone() does not end"
[ ! -e images/inventory.img ] || fail "there is an inventory"
# Longer than any of it waits for a task to stop.
sleep 12
kill -USR1 "$helper"
poll 100 pauses
poll 100 has_no_children
is "children" "$(cat "/proc/$pid/task/$pid/children")" ""
is "blocked signals" "$(awk '/^SigBlk:/ { print $2 }' "/proc/$pid/status")" 0000000000000000

# Others do without a child.
if [[ " ${FREEZERS:-deactivate fork wp} " = *" wp "* ]]; then
	FRAZIL_FREEZE=wp dump again --leave-running
	CRIU=criu-stock dump stock --leave-running
	must python3 "$(dirname "$0")/imgdiff.py" stock again
fi
kill_task
kill -KILL "$helper"
