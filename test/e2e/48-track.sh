# frazil track, status, untrack: a working set without criu, and without a trace in the
# task; a pre-dump takes over from there.
. "$(dirname "$0")/lib.sh"
pages_start --mib 16 --write-percent 10 --read-percent 20
fds() { ls -l "/proc/$pid/fd" | sed 's/.*[0-9][0-9]:[0-9][0-9]//'; }
maps() { grep -v '\[heap\]' "/proc/$pid/maps"; }
before=$(fds; maps)
must frazil track "$pid"
is "descriptors and mappings" "$(fds; maps)" "$before"
is "state" "$(awk '/^State/ { print $2 }' "/proc/$pid/status")" S
pages_round
field() { frazil status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0][sys.argv[1]])' "$1"; }
holds "hot" "$(field hot)" -ge $((wrote + table + read_pages))
holds "hot" "$(field hot)" -le $((wrote + table + read_pages + 60))
# A new round, of a task that is stopped and stays so.
kill -STOP "$pid"
sleep 0.2
frazil track --json "$pid" | python3 -c 'import json, sys
r = json.load(sys.stdin)
assert r["tracker"] == "deactivate" and r["pages"] >= 16 * 256, r'
is "state" "$(awk '/^State/ { print $2 }' "/proc/$pid/status")" T
holds "hot, in a new round" "$(field hot)" -le 10
kill -CONT "$pid"
pages_verify
predump 1
holds "pages dumped" "$(stat_of 1 pages_scanned)" -ge $((16 * 256))
pages_round
predump 2 --prev-images-dir ../1
holds "pages dumped again" "$(stat_of 2 pages_written)" -le $((dirtied + 60))
must frazil untrack "$pid"
is "tracked" "$(frazil status --json | tr -d '\n ')" "[]"
must_fail frazil untrack "$pid"
[[ $out == *"is not tracked"* ]] || fail "$out"
pages_round
dump 3 --track-mem --prev-images-dir ../2
log_has 3/dump.log "all of its memory is dumped"
restore 3
pages_verify
# What cannot be tracked is left as it was.
must_fail frazil track 99999
[[ $out == *"cannot be stopped"* ]] || fail "$out"
must_fail frazil track $$x
FRAZIL_TRACKER=rwp must_fail frazil track "$pid"
[[ $out == *"cannot be tracked"* ]] || fail "$out"
echo 'tracker = best' >conf
FRAZIL_CONFIG=$PWD/conf must_fail frazil track "$pid"
[[ $out == *"conf:1: tracker is 'best', and has to be auto, deactivate"* ]] || fail "$out"
strace -o /dev/null -p "$pid" &
sleep 1
must_fail frazil track "$pid"
[[ $out == *"not traced by somebody"* ]] || fail "$out"
kill %1
pages_verify
# Nothing can be done in a frozen cgroup, and what was begun would kill the task later.
cgroup=/sys/fs/cgroup/frazil-frozen
mkdir -p $cgroup
echo "$pid" >$cgroup/cgroup.procs
echo 1 >$cgroup/cgroup.freeze
poll 50 grep -q "frozen 1" $cgroup/cgroup.events
must_fail timeout 20 frazil track "$pid"
[[ $out == *"is in a frozen cgroup"* ]] || fail "$out"
echo 0 >$cgroup/cgroup.freeze
must frazil track "$pid"
pages_verify
