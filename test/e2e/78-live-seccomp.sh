# A task that seccomp kills for any system call but read and write: none of those may be taken
# for its own that are injected into it, or into a child of it, to freeze it.
. "$(dirname "$0")/lib.sh"
mkfifo fifo
report=$PWD/report

verify()
{
	echo -n x >fifo
	pages_wait
	is "answer" "$answer" ok
}

for freezer in ${FREEZERS:-deactivate fork wp}; do
	: >"$report"
	answers=0
	pid=$("$BIN/strict" "$report" "$PWD/fifo")
	verify
	FRAZIL_FREEZE=$freezer dump "$freezer" --leave-running
	is "freezer" "$(live_of "$freezer" freezer)" "$freezer"
	verify
	is "children of the task" "$(cat "/proc/$pid/task/$pid/children")" ""
	kill_task
	restore "$freezer"
	verify
	kill_task
done
