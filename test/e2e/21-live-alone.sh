# Where a limit of processes leaves criu none to have a child watched, nor a thread to serve
# faults: memory is copied while the task is stopped, or the dump with a freezer that was asked
# for fails.
. "$(dirname "$0")/lib.sh"
bank_start --mib 8
export LD_PRELOAD=$BIN/alone.so
dump auto --leave-running
log_has auto/dump.log "cannot be frozen with fork: Resource temporarily unavailable"
log_has auto/dump.log "its memory cannot be frozen; it is copied while the task is stopped"
for freezer in ${FREEZERS:-deactivate fork wp}; do
	rm -rf images
	mkdir images
	FRAZIL_FREEZE=$freezer must_fail criu dump -D images -t "$pid" --leave-running -v4 -o log
	log_has images/log "its memory cannot be kept: Resource temporarily unavailable; the task is as before"
	[ ! -e images/inventory.img ] || fail "$freezer: there is an inventory"
	bank_verify
done
unset LD_PRELOAD
kill_task
restore auto
bank_verify
