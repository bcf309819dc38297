# criu is killed in a live dump, from when memory is frozen on: the task runs on and has its
# memory, no inventory makes the images look complete, no child remains, and the next dump
# works. With fork, from when the task clones itself on, which it goes on with when criu is dead.
# Not earlier: a task that runs criu's own code may not survive its end.
. "$(dirname "$0")/lib.sh"

is_untraced()
{
	! grep -q "^TracerPid:.*[1-9]" "/proc/$pid/status"
}

bank_start --mib 48 --threads 4
for freezer in ${FREEZERS:-deactivate fork wp}; do
	# As the log tells it: being frozen; meanwhile; frozen, before its pages are listed; ready to go on; resumed; while memory is copied.
	[ $freezer = fork ] && ready="1 Memory of" || ready="1 frozen with"
	[ $freezer = fork ] && first=("1 it clones itself" "1 Dumping pstree") || first=()
	for at in "${first[@]}" "1 created for pid" "$ready" "1 Unfreezing tasks" "1 Copying pages" "3 page-xfer: 	p "; do
		rm -rf images
		mkdir images
		rc=0
		FRAZIL_FREEZE=$freezer LD_PRELOAD=$BIN/killed.so KILL_NR=${at%% *} KILL_AT=${at#* } criu dump -D images -t "$pid" \
			--leave-running -v4 -o dump.log >out 2>&1 || rc=$?
		is "status of criu with $freezer, $at" $rc $((128 + $(kill -l KILL)))
		[ ! -e images/inventory.img ] || fail "$freezer, $at: there is an inventory"
		poll 100 is_untraced
		bank_verify
		before=$transfers
		bank_verify
		poll 100 has_no_children
		is "children after $freezer, $at" "$(cat "/proc/$pid/task/$pid/children")" ""
	done
	rm -rf images
	FRAZIL_FREEZE=$freezer dump images --leave-running
	bank_verify
done
kill_task
restore images
bank_verify
