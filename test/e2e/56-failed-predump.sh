# A pre-dump that fails after the task was armed: nothing that looks like images, and
# the next dump, on top of older images, is a full one.
. "$(dirname "$0")/lib.sh"
pages_start --mib 16 --write-percent 10
predump 1
pages_round
mkdir 2
# criu's own fault injection: dumping pages fails.
must_fail env CRIU_FAULT=3 criu pre-dump -t "$pid" -D 2 --prev-images-dir ../1 -v4 -o log
log_has 2/log "mappings tracked"
[ ! -e 2/inventory.img ] || fail "an inventory was written"
[ ! -e 2/frazil.rounds ] || fail "a rounds file was written"
pages_verify
pages_round
dump 3 --track-mem --prev-images-dir ../1
log_has 3/dump.log "tracked relative to other images than the parent ones"
holds "pages dumped" "$(stat_of 3 pages_written)" -ge $((16 * 256))
restore 3
pages_verify

# One that fails in the place of older images takes away what makes those look complete: some of
# their pages may be of either.
pages_round
predump 4
must_fail env CRIU_FAULT=3 criu pre-dump -t "$pid" -D 4 -v4 -o log
[ ! -e 4/inventory.img ] || fail "the older inventory is still there"
pages_verify
kill_task
