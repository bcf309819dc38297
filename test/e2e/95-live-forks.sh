# A task that forks all the time while its memory is saved, tracked or not: the children
# have their memory, and so have the images.
. "$(dirname "$0")/lib.sh"
for freezer in ${FREEZERS:-deactivate fork wp}; do
	bank_start --mib 32 --threads 2 --forks
	export FRAZIL_FREEZE=$freezer
	dump $freezer --leave-running
	bank_verify
	if [ $freezer != wp ]; then
		predump $freezer-1
		dump $freezer-2 --track-mem --leave-running --prev-images-dir ../$freezer-1
		bank_verify
		log_has $freezer-2/dump.log "frozen with $freezer"
		dump $freezer-3 --track-mem --leave-running --prev-images-dir ../$freezer-2
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
