# Rounds of tracking before, in and after live dumps: each has what was written since the
# one before, and no less.
. "$(dirname "$0")/lib.sh"
for how in ${CHAINS:-deactivate:deactivate deactivate:fork wp:auto wp:none}; do
	export FRAZIL_TRACKER=${how%:*} FRAZIL_FREEZE=${how#*:}
	echo "$how:"
	rm -rf [1-5]
	pages_start --mib 32 --write-percent 5 --read-percent 10
	predump 1
	pages_round
	dump 2 --track-mem --leave-running --prev-images-dir ../1
	holds "pages in the first" "$(stat_of 2 pages_written)" -ge $((wrote + table))
	pages_verify
	pages_round
	dump 3 --track-mem --leave-running --prev-images-dir ../2
	holds "pages in the second" "$(stat_of 3 pages_written)" -ge $((wrote + table))
	holds "pages in the second" "$(stat_of 3 pages_written)" -le $((2 * wrote + table + 300))
	pages_round
	predump 4 --prev-images-dir ../3
	pages_round
	dump 5 --track-mem --prev-images-dir ../4
	holds "pages in the last" "$(stat_of 5 pages_written)" -ge $((wrote + table))
	holds "pages in the last" "$(stat_of 5 pages_written)" -le $((wrote + table + 300))
	restore 5
	pages_verify
	kill_task
done
