# A thread waits for a mutex with priority inheritance when the task is stopped: the kernel would not
# have it wait for the page of that, and the task would end. Freezers that close pages are not used.
. "$(dirname "$0")/lib.sh"

# Lets go of the mutex, and the thread gets it
goes_on()
{
	: >report
	kill -USR1 "$pid"
	poll 100 test -s report
	is "the thread" "$(cat report)" "got it"
}

inherit_start()
{
	rm -f report
	setsid "$BIN/inherit" "$PWD/report" </dev/null >/dev/null 2>&1 &
	poll 100 test -s report
	pid=$(cat report)
}

for freezer in ${FREEZERS:-deactivate fork wp}; do
	inherit_start
	if [ $freezer = fork ]; then
		FRAZIL_FREEZE=$freezer dump $freezer --leave-running
	else
		mkdir $freezer
		FRAZIL_FREEZE=$freezer must_fail criu dump -t "$pid" -D $freezer --leave-running -v4 -o dump.log
		log_has $freezer/dump.log "waits for a mutex with priority inheritance"
	fi
	goes_on
	kill_task
done
inherit_start
FRAZIL_FREEZE=none dump none --leave-running
goes_on
kill_task
restore none
goes_on
kill_task
