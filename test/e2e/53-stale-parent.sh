# Parent images that are not those of the last round: everything is dumped.
. "$(dirname "$0")/lib.sh"
pages_start --mib 16 --write-percent 10
predump 1
pages_round
predump 2 --prev-images-dir ../1
pages_round
# 2 is skipped: what was written before it is not known any more.
predump 3 --prev-images-dir ../1
log_has 3/pre-dump.log "tracked relative to other images than the parent ones"
holds "pages dumped" "$(stat_of 3 pages_written)" -ge $((16 * 256))
pages_round
# A damaged rounds file is as good as none.
head -c 20 /dev/urandom >3/frazil.rounds
dump 4 --track-mem --prev-images-dir ../3
log_has 4/dump.log "frazil.rounds cannot be used"
restore 4
pages_verify
