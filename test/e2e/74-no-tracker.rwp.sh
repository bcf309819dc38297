# A tracker that is asked for and not there: nothing is dumped, the task goes on.
# Asked not to track: criu's own tracking, but not on top of Frazil's images.
. "$(dirname "$0")/lib.sh"
pages_start --mib 16 --write-percent 10
if FRAZIL_TRACKER=deactivate criu_run criu pre-dump 1 -t "$pid" >/dev/null; then
	fail "made with a tracker that is not there"
fi
log_has 1/pre-dump.log "deactivate was asked for and cannot be used"
log_has 1/pre-dump.log "the kernel lacks userfaultfd features"
pages_verify

export FRAZIL_TRACKER=none
predump 2
log_has 2/pre-dump.log "Told not to track memory"
pages_round
predump 3 --prev-images-dir ../2
holds "pages dumped by criu's own tracking" "$(stat_of 3 pages_written)" -lt $((16 * 256))
dirtied=0

# A pre-dump of ours that came to nothing has reset what criu's own tracking goes by.
unset FRAZIL_TRACKER
predump 4 --prev-images-dir ../3
pages_round
predump 5 --prev-images-dir ../4
rm -r 5
FRAZIL_TRACKER=none predump 6 --prev-images-dir ../4
log_has 6/pre-dump.log "all of its memory is dumped"
holds "pages dumped" "$(stat_of 6 pages_written)" -ge $((16 * 256))
pages_round
FRAZIL_TRACKER=none dump 7 --track-mem --prev-images-dir ../6
holds "pages dumped by criu's own tracking again" "$(stat_of 7 pages_written)" -lt $((16 * 256))
restore 7
pages_verify
