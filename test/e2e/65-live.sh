# A live dump with each freezer: the task runs on while its memory is written, and the
# images have it as it was in one instant. Nothing is left in the task.
. "$(dirname "$0")/lib.sh"
for freezer in ${FREEZERS:-deactivate fork wp}; do
	echo "$freezer:"
	# More than one thread closes at once.
	bank_start --mib 96 --threads 4 --span 20
	shape_of "$pid" >before
	FRAZIL_FREEZE=$freezer dump $freezer --leave-running
	is "what is left in the task" "$(shape_of "$pid" | diff before -)" ""
	is "its children" "$(cat /proc/"$pid"/task/"$pid"/children)" ""
	is "pages" $(($(live_of $freezer copied_frozen) + $(live_of $freezer copied_fault) + \
		$(live_of $freezer copied_behind))) "$(stat_of $freezer pages_written)"
	holds "pages copied while it was stopped" "$(live_of $freezer copied_frozen)" -lt 200
	[ $freezer = fork ] || holds "faults" "$(live_of $freezer faults)" -ge 1
	frazil status --images $freezer | grep "$freezer"
	bank_verify
	before=$transfers
	sleep 0.2
	bank_verify
	holds "transfers" "$transfers" -gt "$before"
	kill_task
	restore $freezer
	bank_verify
	code_is_intact "$pid" || fail "the code in the images is not what it was"
	is "accounts" "$accounts" $((96 * 256))
	kill_task
	# Debian's criu restores it as well.
	CRIU=criu-stock restore $freezer
	bank_verify
	kill_task
done
