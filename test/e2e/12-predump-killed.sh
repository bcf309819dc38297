# criu is killed in a pre-dump when it has asked for what was written, which ends the round
# of the one before: the task runs on, and what is dumped on top of that is all of it.
. "$(dirname "$0")/lib.sh"
pages_start --mib 16 --write-percent 10
predump 1
pages_round
mkdir 2
rc=0
LD_PRELOAD=$BIN/killed.so KILL_NR=1 KILL_AT="mappings that are not tracked" criu pre-dump -t "$pid" -D 2 \
	--prev-images-dir ../1 -v4 -o log >out 2>&1 || rc=$?
is "status of criu" $rc $((128 + $(kill -l KILL)))
[ ! -e 2/inventory.img ] || fail "an inventory was written"
pages_verify
dump 3 --track-mem --prev-images-dir ../1
log_has 3/dump.log "tracked relative to other images than the parent ones"
restore 3
pages_verify
