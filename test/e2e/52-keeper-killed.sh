# The keeper dies between two rounds: the task does not notice, the next dump is a
# full one and says so.
. "$(dirname "$0")/lib.sh"
pages_start --mib 16 --write-percent 10
predump 1
kill -KILL "$(pidof frazild)"
while pidof frazild >/dev/null; do sleep 0.05; done
pages_verify
pages_round
dump 2 --track-mem --prev-images-dir ../1
log_has 2/dump.log "not tracked since the parent images"
holds "pages dumped" "$(stat_of 2 pages_written)" -ge $((16 * 256))
restore 2
pages_verify
# A stale socket is no obstacle for the next keeper, and there is never a second one.
predump 3
/usr/libexec/frazil/frazild
is "keepers" "$(pidof frazild | wc -w)" 1
