# Private memory in pages of hugetlb: of those a child may lose what the task still has, and no
# freezer takes them. They are copied while the task is stopped, and in the images.
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
		FRAZIL_FREEZE=$freezer dump $dir --leave-running
		copied[$dir]=$(live_of $dir copied_frozen)
		must python3 "$(dirname "$0")/imgdiff.py" $kind-stock $dir $kind-again
	done
	kill_task
done
for freezer in ${FREEZERS:-deactivate fork wp}; do
	holds "pages copied with $freezer" "${copied[hugetlb-$freezer]}" -ge $((copied[none-$freezer] + 512))
done
restore hugetlb-$freezer
kill_task
