# Stock CRIU loads the plugin, says what is missing, and does its own work.
. "$(dirname "$0")/lib.sh"
export CRIU_LIBS_DIR=/usr/lib/criu
stock() { criu_run /usr/lib/frazil-stock-criu "$@" || fail "failed: $*"; }
pages_start --mib 16 --write-percent 10
stock pre-dump 1 -t "$pid"
log_has 1/pre-dump.log "has no hooks for memory tracking; install the one that comes with Frazil"
pages_round
stock dump 2 -t "$pid" --track-mem --prev-images-dir ../1
holds "pages dumped" "$(stat_of 2 pages_written)" -lt $((16 * 256))
stock restore 2 -d
pages_verify
