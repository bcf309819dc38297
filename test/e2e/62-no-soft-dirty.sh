# A kernel without soft-dirty bits, as on arm64: with Frazil incremental dumps work; what
# it declines is dumped as a whole; without it criu says so before it touches the task.
. "$(dirname "$0")/lib.sh"
# criu's fault "no soft-dirty": the bits are neither asked for nor believed.
export CRIU_FAULT=139

refused()
{
	must_fail criu "$@" -v4 -t "$pid" -o log
	grep -q 'Tracking memory is not available: the kernel has no soft-dirty bits' "$3/log" ||
		fail "no reason given: $(tail -n 3 "$3/log")"
	grep -q 'Seized task' "$3/log" && fail "criu $1 stopped the task before it failed"
	pages_verify
}

# What podman asks before it makes a pre-dump
feature_by_rpc()
{
	python3 -c '
import socket, subprocess
from pycriu import rpc
ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
criu = subprocess.Popen(["criu", "swrk", str(its.fileno())], pass_fds=[its.fileno()], stderr=subprocess.DEVNULL)
its.close()
request = rpc.criu_req(type=rpc.FEATURE_CHECK)
request.features.mem_track = True
ours.send(request.SerializeToString())
answer = rpc.criu_resp()
answer.ParseFromString(ours.recv(4096))
print(answer.success, answer.features.mem_track)'
}

mkdir none
must criu check --feature mem_dirty_track
is "feature check" "$(feature_by_rpc)" "True True"
CRIU_LIBS_DIR=$PWD/none must_fail criu check --feature mem_dirty_track
is "feature check without a plugin" "$(CRIU_LIBS_DIR=$PWD/none feature_by_rpc)" "True False"

pages_start --mib 16 --write-percent 10 --read-percent 10
mkdir no-1 no-2 no-3
CRIU_LIBS_DIR=$PWD/none refused pre-dump -D no-1
[ -e no-1/inventory.img ] && fail "a refused pre-dump left an inventory"
CRIU_LIBS_DIR=$PWD/none refused dump -D no-2 --track-mem --leave-running
CRIU_LIBS_DIR=$PWD/none dump no-3 --leave-running

# Frazil needs no soft-dirty.
predump 1
pages_round
predump 2 --prev-images-dir ../1
holds "pages dumped again, times 100" $(($(stat_of 2 pages_written) * 100)) -le $((dirtied * 105))
pages_round

# It cannot start its keeper: nothing may be taken for unchanged, on top of its own
# images, nor where it declines.
killall frazild
mv /usr/libexec/frazil/frazild /usr/libexec/frazil/off
trap 'mv /usr/libexec/frazil/off /usr/libexec/frazil/frazild' EXIT
predump again --prev-images-dir ../2
log_has again/pre-dump.log "all of its memory is dumped"
is "pages left to the parent" "$(stat_of again pages_skipped_parent)" 0
predump 3
log_has 3/pre-dump.log "Nothing tracks the memory of $pid, all of it will be dumped"
pages_round
dump 4 --track-mem --prev-images-dir ../3
log_has 4/dump.log "Nothing tracks the memory of $pid, all of it will be dumped"
is "pages left to the parent" "$(stat_of 4 pages_skipped_parent)" 0
restore 4
pages_verify

# Neither may shared memory, which criu tracks too when told so.
python3 -c '
import mmap, signal, time
m = mmap.mmap(-1, 1 << 20)
m.write(b"a" * (1 << 20))
signal.signal(signal.SIGUSR1, lambda *a: m.__setitem__(slice(0, 1 << 20), b"b" * (1 << 20)))
open("ready", "w").close()
while True: time.sleep(60)' </dev/null >/dev/null 2>&1 &
pid=$!
until [ -e ready ]; do sleep 0.1; done
export CRIU_TRACK_SHMEM=1
predump 5
kill -USR1 "$pid"
sleep 1
dump 6 --track-mem --prev-images-dir ../5 --leave-running --shell-job
is "shared pages left to the parent" "$(stat_of 6 shpages_skipped_parent)" 0
holds "shared pages dumped" "$(stat_of 6 shpages_written)" -ge 256
