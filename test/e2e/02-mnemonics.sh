# The flags that mappings have are those of stock criu's images, whether they come from smaps or, where
# the kernel tells them so, from PROCMAP_QUERY: then smaps, for which it looks at each page, is not read.
. "$(dirname "$0")/lib.sh"
freezers=${FREEZERS:-deactivate fork wp}
# Where it can deactivate pages, it is the kernel of the series, unless that is hidden by a fault.
query=maps
[[ " $freezers " = *" deactivate "* ]] || query=smaps

# same DIR: it holds the same as stock criu's
same() { must python3 "$(dirname "$0")/imgdiff.py" $kind-stock "$1" $kind-again; }

for kind in none locked dontfork; do
	advice_start $kind
	for dir in stock again; do
		CRIU=criu-stock dump $kind-$dir --leave-running
	done
	for freezer in $freezers; do
		for fault in "" 140; do
			dir=$kind-$freezer$fault
			[ -z "$fault" ] || export CRIU_FAULT=$fault
			FRAZIL_FREEZE=$freezer dump $dir --leave-running
			unset CRIU_FAULT
			is "freezer" "$(live_of $dir freezer)" $freezer
			same $dir
		done
		# Fork leaves it to the child, or, when that lacks something, reads them in time.
		log_has $kind-${freezer}140/dump.log "Reading the flags of mappings from smaps"
		[ $query = smaps ] || [ "$(grep -c smaps $kind-$freezer/dump.log)" = 0 ] || fail "$kind-$freezer: smaps was read"
	done
	CRIU_FAULT=140 dump $kind-smaps --leave-stopped
	same $kind-smaps
	log_has $kind-smaps/dump.log "with the following smaps entry"
	kill -CONT "$pid"
	dump $kind-stopped --leave-stopped
	same $kind-stopped
	log_has $kind-stopped/dump.log "with the following $query entry"
	kill_task
done
