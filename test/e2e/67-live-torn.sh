# The task unmaps memory that has not been saved yet. With userfaultfd that is noticed and
# the dump fails: the task runs on, and nothing looks like images. With fork it is no matter.
. "$(dirname "$0")/lib.sh"
at_frozen unmap 'kill -USR1 "$CRTOOLS_INIT_PID"'
for freezer in ${UNABLE:-deactivate wp}; do
	bank_start --mib 64 --span 10
	mkdir $freezer
	FRAZIL_FREEZE=$freezer must_fail criu dump -D $freezer -t "$pid" --leave-running -v4 -o dump.log \
		--action-script "$PWD/unmap"
	log_has $freezer/dump.log "was unmapped, moved or discarded before it was saved"
	[ ! -e $freezer/inventory.img ] || fail "an inventory was written"
	bank_verify
	is "accounts" "$accounts" $((64 * 256 / 10))
	kill_task

	# Nor does it wait for a page server that waits for the rest of the memory.
	bank_start --mib 64 --span 10
	mkdir $freezer-sent $freezer-received
	page_server $freezer-received 1234
	status=0
	FRAZIL_FREEZE=$freezer timeout 60 criu dump -D $freezer-sent -t "$pid" --leave-running -v4 -o dump.log \
		--action-script "$PWD/unmap" --page-server --address 127.0.0.1 --port 1234 >out 2>&1 || status=$?
	is "status of the dump" $status 1
	log_has $freezer-sent/dump.log "was unmapped, moved or discarded before it was saved"
	wait $server && fail "the page server takes what it got for images"
	[ ! -e $freezer-sent/inventory.img ] || fail "an inventory was written"
	bank_verify
	is "accounts" "$accounts" $((64 * 256 / 10))
	kill_task
done
bank_start --mib 64 --span 10
FRAZIL_FREEZE=fork dump images --leave-running --action-script "$PWD/unmap"
bank_verify
is "accounts of the task" "$accounts" $((64 * 256 / 10))
kill_task
restore images
bank_verify
is "accounts in the images" "$accounts" $((64 * 256))
