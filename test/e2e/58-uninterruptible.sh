# A task in uninterruptible sleep cannot be stopped: that is said, in time, and when it
# wakes up it goes on as if nobody had tried.
. "$(dirname "$0")/lib.sh"
mkfifo gate go
# posix_spawn() waits, like vfork(), for a child that waits for somebody to open the gate.
python3 -c '
import os
child = os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "gate", os.O_RDONLY, 0)])
print("woke up,", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
os.read(0, 1)
print("and went on", flush=True)' <go >report 2>&1 &
pid=$!
exec 9<>go
state() { awk '/^State:/ { print $2 }' "/proc/$pid/status"; }
waits_for_child() { [ -n "$(cat "/proc/$pid/task/$pid/children")" ] && [ "$(state)" = D ]; }
poll 300 waits_for_child
is "state" "$(state)" D

must_fail timeout 60 frazil track "$pid"
[[ $out == *"uninterruptible sleep"* ]] || fail "frazil track said: $out"
is "state" "$(state)" D
[[ $(frazil status --json) != *"pid"* ]] || fail "it is tracked: $(frazil status --json)"

mkdir 1
must_fail criu pre-dump -D 1 -t "$pid" -v4 -o log --timeout 5
grep -q 'Timeout' 1/log || fail "criu said: $(tail -n 5 1/log)"
[ ! -e 1/inventory.img ] || fail "there is an inventory"

: >gate
poll 300 test -s report
is "after it woke up" "$(cat report)" "woke up, 0"
[[ $(state) == S ]] || fail "it is in state $(state)"

# Now it can be tracked, and goes on after that.
must frazil track "$pid"
echo >&9
wait "$pid" || fail "it ended with $?"
is "at the end" "$(tail -n 1 report)" "and went on"
