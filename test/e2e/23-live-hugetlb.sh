# Private memory in pages of hugetlb: no freezer takes them, they are copied while the task is
# stopped, and in the images. Shared with a child, one of them may have no copy for who writes to
# it, who is killed then, or be taken from the child: fork refuses a task that has any.
. "$(dirname "$0")/lib.sh"
hugepages=/proc/sys/vm/nr_hugepages
before=$(<$hugepages)
trap 'echo $before >$hugepages' EXIT
# One for the task, as many again for when it is restored.
echo $((before + 2)) >$hugepages
[ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -ge 2 ] || skip "no huge pages to be had"

declare -A copied
for kind in none hugetlb; do
	advice_start $kind
	CRIU=criu-stock dump $kind-stock --leave-running
	CRIU=criu-stock dump $kind-again --leave-running
	for freezer in ${FREEZERS:-deactivate fork wp}; do
		dir=$kind-$freezer
		if [ $dir = hugetlb-fork ]; then
			mkdir $dir
			must_fail env FRAZIL_FREEZE=fork criu dump -t "$pid" -D $dir --leave-running -v4 -o dump.log
			log_has $dir/dump.log "fork cannot freeze it: it has hugetlb pages"
			continue
		fi
		FRAZIL_FREEZE=$freezer dump $dir --leave-running
		copied[$dir]=$(live_of $dir copied_frozen)
		must python3 "$(dirname "$0")/imgdiff.py" $kind-stock $dir $kind-again
	done
	kill_task
done
for freezer in ${FREEZERS:-deactivate fork wp}; do
	[ $freezer = fork ] && continue
	holds "pages copied with $freezer" "${copied[hugetlb-$freezer]}" -ge $((copied[none-$freezer] + 512))
done
restore hugetlb-wp
kill_task
