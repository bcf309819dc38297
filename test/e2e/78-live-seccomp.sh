# A task that seccomp kills for any system call but read and write: none of those may be taken
# for its own that are injected into it, or into a child of it, to freeze it.
. "$(dirname "$0")/lib.sh"
mkfifo fifo

# It is asked through the fifo, and answers.
verify()
{
	local before
	before=$(wc -l <report)
	echo -n x >fifo
	for _ in $(seq 100); do [ "$(wc -l <report)" = "$before" ] || break; sleep 0.1; done
	is "answer" "$(tail -n 1 report)" ok
}

for freezer in ${FREEZERS:-deactivate fork wp}; do
	: >report
	pid=$("$BIN/strict" "$PWD/report" "$PWD/fifo")
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
