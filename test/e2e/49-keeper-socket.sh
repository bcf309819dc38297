# A keeper that is handed its socket, as systemd does; and one that is not ours.
. "$(dirname "$0")/lib.sh"
cat >activate.py <<'PY'
import os, socket
os.makedirs("/run/frazil", 0o700, exist_ok=True)
if os.path.exists("/run/frazil/keeper.sock"):
    os.unlink("/run/frazil/keeper.sock")
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("/run/frazil/keeper.sock")
s.listen(16)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = "1"
os.execv("/usr/libexec/frazil/frazild", ["frazild", "--idle", "10"])
PY
python3 activate.py >activate.out 2>&1 &
for _ in $(seq 100); do [ "$(pidof frazild)" = $! ] && break; sleep 0.1; done
is "keeper" "$(pidof frazild)$(cat activate.out)" $!
pages_start --mib 16 --write-percent 10
predump 1
is "keeper" "$(pidof frazild)" $!
pages_round
dump 2 --track-mem --prev-images-dir ../1
holds "pages dumped" "$(stat_of 2 pages_written)" -le $((dirtied + 60))
wait %1 || fail "the keeper ended with $?"
# It was not its socket to remove.
[ -S /run/frazil/keeper.sock ] || fail "the socket is gone"
rm /run/frazil/keeper.sock
restore 2
pages_verify

# Somebody else listens there: the dump goes on without Frazil, and says why.
cat >squat.py <<'PY'
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.setuid(int(sys.argv[1]))
s.bind("/run/frazil/keeper.sock")
s.listen(16)
while len(sys.argv) > 2:
    c = s.accept()[0]
    m = bytearray(c.recv(4096))
    if m:
        m[4] = 99
        c.send(m)
time.sleep(1000)
PY
chmod 777 /run/frazil
python3 squat.py 65534 >/dev/null 2>&1 &
squatter=$!
while [ ! -S /run/frazil/keeper.sock ]; do sleep 0.1; done
predump 3
log_has 3/pre-dump.log "socket belongs to another user"
must_fail frazil check
[[ $out == *"NO   keeper"*"belongs to another user"* ]] || fail "$out"
kill "$squatter"
rm -f /run/frazil/keeper.sock
chmod 700 /run/frazil

# A keeper of another version, from before an upgrade.
python3 squat.py 0 version >/dev/null 2>&1 &
squatter=$!
while [ ! -S /run/frazil/keeper.sock ]; do sleep 0.1; done
predump 4
log_has 4/pre-dump.log "the keeper is of another version; end frazild"
kill "$squatter"
rm -f /run/frazil/keeper.sock
pages_verify

# One that runs, and cannot be reached any more.
predump 5
rm /run/frazil/keeper.sock
predump 6
log_has 6/pre-dump.log "its socket was replaced or removed; end it"
kill "$(pidof frazild)"
keeper_ended() { ! pidof frazild >/dev/null; }
poll 50 keeper_ended
predump 7
log_has 7/pre-dump.log "mappings tracked"
pages_verify
