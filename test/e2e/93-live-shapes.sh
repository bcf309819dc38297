# Live dumps of process trees, threads and unusual memory, with each freezer.
. "$(dirname "$0")/lib.sh"
for freezer in ${FREEZERS:-deactivate fork wp}; do
	for areas in "anon,thp,locked,mainstack,growsdown,busy --children --threads 3" \
		"shared,memfd,dontneed,remap,brk,free,sparse --children" "$@"; do
		echo "$freezer: $areas"
		rm -rf $freezer
		# shellcheck disable=SC2086
		shapes_start $areas
		shapes_round
		FRAZIL_FREEZE=$freezer dump $freezer --leave-running
		shapes_after_live $freezer
	done
done
