# With `fork`, the pages and the flags of mappings are read from the child when the task runs
# again: the images are those that stock criu makes of the stopped task. So they are when a
# mapping is not in the child as it is in the task: then they are read before. Fault 140: flags that
# the kernel tells at once need not be read later.
. "$(dirname "$0")/lib.sh"

for kind in none locked dontfork gone wipeonfork; do
	advice_start $kind
	for dir in stock again; do
		CRIU=criu-stock dump $kind-$dir --leave-running
	done
	CRIU_FAULT=140 FRAZIL_FREEZE=fork dump $kind --leave-running
	is "freezer" "$(live_of $kind freezer)" fork
	case $kind in
	none) log_has $kind/dump.log "Memory of $pid is in " ;;
	locked) log_has $kind/dump.log "its child lacks which mappings are locked" ;;
	dontfork | gone) log_has $kind/dump.log "its child lacks a mapping" ;;
	wipeonfork) log_has $kind/dump.log "its child lacks pages" ;;
	esac
	must python3 "$(dirname "$0")/imgdiff.py" $kind-stock $kind $kind-again
	kill_task
	restore $kind
	kill_task
done
