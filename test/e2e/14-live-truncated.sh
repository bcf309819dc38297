# A file is truncated when memory is frozen, and with it go the pages that the task has changed in
# a private mapping of it, from a child as well: with fork the dump fails, and says so. The
# others have copied them.
. "$(dirname "$0")/lib.sh"
at_frozen truncate.sh ': >"$FILE"'
export FILE=$PWD/report.file
live() { criu dump -t "$pid" -D "$FRAZIL_FREEZE" --leave-running -v4 -o dump.log "$@"; }

for freezer in ${FREEZERS:-deactivate fork wp}; do
	export FRAZIL_FREEZE=$freezer
	advice_start file
	mkdir $freezer
	must live
	rm -r $freezer
	mkdir $freezer
	if [ $freezer = fork ]; then
		must_fail live --action-script "$PWD/truncate.sh"
		log_has $freezer/dump.log "are gone: somebody has truncated the file. The task runs on; dump it again"
		[ ! -e $freezer/inventory.img ] || fail "an inventory was written"
	else
		must live --action-script "$PWD/truncate.sh"
	fi
	[ ! -s report.file ] || fail "it was not truncated"
	kill -0 "$pid"
	kill_task
done
