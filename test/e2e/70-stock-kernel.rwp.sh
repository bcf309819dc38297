# A kernel without the series: one clear line, then criu's own tracking, no failure.
. "$(dirname "$0")/lib.sh"
must_fail frazil check
[[ $out == *"deactivate"*"not built with the Frazil series"* ]] || fail "$out"
pages_start --mib 16 --write-percent 10
predump 1
log_has 1/pre-dump.log "the kernel lacks userfaultfd features"
log_has 1/pre-dump.log "criu's own tracking is used"
pages_round
dump 2 --track-mem --prev-images-dir ../1
holds "pages dumped" "$(stat_of 2 pages_written)" -lt $((16 * 256))
restore 2
pages_verify
