# What can go wrong once memory is frozen, or with fork is about to be: an image cannot be made, the
# page server goes away, the task ends.
. "$(dirname "$0")/lib.sh"
at_frozen frozen 'kill -KILL "$(cat "$VICTIM")"'
export VICTIM=$PWD/victim
for freezer in ${FREEZERS:-deactivate fork wp}; do
	export FRAZIL_FREEZE=$freezer
	mkdir -p server $freezer $freezer-2 $freezer-0/pstree.img
	bank_start --mib 16
	must_fail criu dump -D $freezer-0 -t "$pid" --leave-running -v4 -o dump.log
	log_has $freezer-0/dump.log "Is a directory"
	[ $freezer != fork ] || log_has $freezer-0/dump.log "it clones itself"
	[ ! -e $freezer-0/inventory.img ] || fail "an inventory was written without an image"
	bank_verify
	is "children" "$(cat "/proc/$pid/task/$pid/children")" ""
	page_server server 1234
	echo "$server" >victim
	must_fail criu dump -D $freezer -t "$pid" --leave-running -v4 -o dump.log --action-script "$PWD/frozen" \
		--page-server --address 127.0.0.1 --port 1234
	[ ! -e $freezer/inventory.img ] || fail "an inventory was written without the pages"
	bank_verify
	dump again-$freezer --leave-running
	bank_verify

	echo "$pid" >victim
	if [ $freezer = fork ]; then
		# The child has it.
		dump $freezer-2 --leave-running --action-script "$PWD/frozen"
	else
		must_fail criu dump -D $freezer-2 -t "$pid" --leave-running -v4 -o dump.log \
			--action-script "$PWD/frozen"
		log_has $freezer-2/dump.log "has ended, or its memory was replaced, before all of it was saved"
		[ ! -e $freezer-2/inventory.img ] || fail "an inventory was written without the pages"
	fi
	poll 100 test ! -e "/proc/$pid"
	[ ! -e "/proc/$pid" ] || fail "the task does not end"
	is "processes that are left" "$(pidof bank)" ""
	[ $freezer != fork ] || restore $freezer-2
	[ $freezer != fork ] || { bank_verify; kill_task; }
	restore again-$freezer
	bank_verify
	kill_task
done
