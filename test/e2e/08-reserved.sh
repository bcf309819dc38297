# A task with terabytes of address space that it has reserved only, as virtual machines of languages do:
# the list of pages takes no memory for those that are not there.
. "$(dirname "$0")/lib.sh"
advice_start reserved
for mode in splice read; do
	predump $mode --pre-dump-mode $mode
done
for freezer in ${FREEZERS:-deactivate fork wp}; do
	FRAZIL_FREEZE=$freezer dump $freezer --leave-running
done
dump last
restore last
kill_task
