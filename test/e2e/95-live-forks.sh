# A task that forks all the time while its memory is saved, tracked or not: the children
# have their memory, and so have the images. A child that was there when memory was frozen may
# end before it was saved; then the dump fails, says so, and is repeated.
. "$(dirname "$0")/lib.sh"

# live DIR OPTIONS...
live()
{
	local try
	for try in 1 2 3 4 5 6; do
		rm -rf "$1"
		mkdir "$1"
		criu dump -D "$1" -t "$pid" --leave-running -v4 -o dump.log "${@:2}" >out 2>&1 && return
		log_has "$1/dump.log" "has ended, or its memory was replaced, before all of it was saved"
		[ ! -e "$1/inventory.img" ] || fail "an inventory was written"
		bank_verify
	done
	fail "$try dumps failed"
}

for freezer in ${FREEZERS:-deactivate fork wp}; do
	bank_start --mib 32 --threads 2 --forks
	export FRAZIL_FREEZE=$freezer
	live $freezer
	bank_verify
	if [ $freezer != wp ]; then
		predump $freezer-1
		live $freezer-2 --track-mem --prev-images-dir ../$freezer-1
		bank_verify
		log_has $freezer-2/dump.log "frozen with $freezer"
		live $freezer-3 --track-mem --prev-images-dir ../$freezer-2
		bank_verify
	fi
	kill_task
	restore $freezer
	bank_verify
	kill_task
	[ $freezer = wp ] && continue
	restore $freezer-3
	bank_verify
	kill_task
done
