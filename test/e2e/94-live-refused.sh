# What cannot be a live dump: the reason is told, the task runs on, or the dump is one that
# copies memory while the task is stopped.
. "$(dirname "$0")/lib.sh"
bank_start --mib 8
mkdir 1 2 3
export FRAZIL_FREEZE=later
must_fail criu dump -D 1 -t "$pid" --leave-running -v4 -o log
log_has 1/log "FRAZIL_FREEZE: freeze is 'later', and has to be auto, deactivate, fork, wp or none"
bank_verify

FRAZIL_FREEZE=auto
must_fail criu dump -D 2 -t "$pid" --leave-running --lazy-pages --address 127.0.0.1 --port 1234 -v4 -o log
grep -q "needs them stopped: choose one" 2/log || fail "$(tail -n 3 2/log)"
bank_verify

# Told not to: everything is copied, and the images are as good.
FRAZIL_FREEZE=none
dump 3 --leave-running
[ -z "$(grep -l 'frozen with' 3/dump.log)" ] || fail "it was frozen"
bank_verify

# The task stays stopped: it is no live dump.
FRAZIL_FREEZE=auto
dump 4 --leave-stopped
is "state" "$(awk '/^State:/ { print $2 }' "/proc/$pid/status")" T
kill -CONT "$pid"
bank_verify

# Two at once: whichever comes second has to wait, is refused, or is right as well.
dump 5 --leave-running &
first=$!
poll 100 grep -qs "Unfreezing tasks" 5/dump.log
criu dump -D 2 -t "$pid" --leave-running -v4 -o log6 >out 2>&1 || :
wait $first || fail "the first of two dumps failed"
bank_verify
kill_task
for dir in 3 4 5; do
	restore $dir
	bank_verify
	kill_task
done
[ ! -e 2/inventory.img ] || { restore 2; bank_verify; }
