# A task that is stopped in a restartable sequence, and made to do something there, begins with the
# sequence anew: by criu, and when it runs again and has to wait for its child, or is tracked.
. "$(dirname "$0")/lib.sh"

setsid "$BIN/sequence" "$PWD/report" </dev/null >/dev/null 2>&1 &
poll 100 test -s report
pid=$(cat report)
[ "$pid" != none ] || skip "no restartable sequences: kernel"

if [[ " ${FREEZERS:-deactivate fork wp} " = *" fork "* ]]; then
	for i in 1 2 3 4 5; do
		FRAZIL_FREEZE=fork dump fork-$i --leave-running
	done
	poll 100 has_no_children
fi
for mode in splice read; do
	predump $mode-1 --pre-dump-mode $mode
	predump $mode-2 --pre-dump-mode $mode --prev-images-dir ../$mode-1
	must frazil untrack "$pid"
done
must frazil track "$pid"
must frazil untrack "$pid"

: >report
kill -USR1 "$pid"
poll 100 test -s report
read -r through back torn <report
holds "sequences" "$through" -gt 0
holds "sent back" "$back" -gt 0
is "sequences that went on though interrupted" "$torn" 0
kill_task
