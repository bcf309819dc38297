# A task that is tracked forks: the child is tracked from its first moment, so that
# what it uses is known although the images know nothing of it yet. Children that end
# are forgotten, and the task can go on forking when the keeper is gone.
. "$(dirname "$0")/lib.sh"
cat >server.py <<'PY'
import mmap, os, signal, sys, time
mem = mmap.mmap(-1, 32 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
mem.madvise(15)  # MADV_NOHUGEPAGE
for i in range(0, len(mem), 4096):
    mem[i] = 1
def worker(*_):
    if os.fork() == 0:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        for i in range(0, 8 << 20, 4096):
            mem[i]
        for i in range(8 << 20, 12 << 20, 4096):
            mem[i] = 2
        open("ready", "w").close()
        time.sleep(1000)
def short(*_):
    for i in range(200):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    open("done", "w").close()
signal.signal(signal.SIGUSR1, worker)
signal.signal(signal.SIGUSR2, short)
open("ready", "w").close()
while True:
    time.sleep(1)
PY
wait_for() { for _ in $(seq 300); do [ -e "$1" ] && rm "$1" && return; sleep 0.1; done; fail "no $1"; }
setsid python3 server.py </dev/null >/dev/null 2>&1 &
pid=$!
wait_for ready
predump 1
kill -USR1 "$pid"
wait_for ready
child=$(cat "/proc/$pid/task/$pid/children")
child=${child% }
predump 2 --prev-images-dir ../1
log_has 2/pre-dump.log "$child: tracked since it was forked"
of_child() { frazil status --json --images "$1" | python3 -c 'import json, sys
print([t for t in json.load(sys.stdin) if t["pid"] == int(sys.argv[1])][0].get(sys.argv[2], "-"))' "$child" "$2"; }
hot=$(of_child 2 hot)
holds "hot pages of the child" "$hot" -ge $((12 * 256))
holds "hot pages of the child" "$hot" -lt $((16 * 256))
is "written pages of the child, which the images do not know" "$(of_child 2 written)" -

# The next round of the child is like any other task's.
predump 3 --prev-images-dir ../2
holds "written pages of the child" "$(of_child 3 written)" -lt 100
is "keepers" "$(pidof frazild | wc -w)" 1

# Children that come and go leave nothing behind.
kill -USR2 "$pid"
wait_for done
fds=$(ls "/proc/$(pidof frazild)/fd" | wc -l)
holds "descriptors of the keeper" "$fds" -lt 100

# Without the keeper nobody waits for one.
kill -KILL "$(pidof frazild)"
kill -USR2 "$pid"
wait_for done
dump 4 --track-mem --prev-images-dir ../3
restore 4
kill -USR2 "$pid"
wait_for done
