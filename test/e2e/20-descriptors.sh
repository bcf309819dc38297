# Arming leaves the task's descriptors and mappings as they were.
. "$(dirname "$0")/lib.sh"
listing() { (cd "/proc/$pid/fd" && for f in *; do echo "$f $(readlink "$f")"; done); }
maps() { awk '{ print $1, $2, $6 }' "/proc/$pid/maps"; }

# Arms a task for the first time: armed_as_before DIR
armed_as_before()
{
	fds=$(listing) before=$(maps)
	predump "$1"
	is "descriptors" "$(listing)" "$fds"
	# The vsyscall and heap lines may not move either: all of it is compared.
	is "mappings" "$(maps)" "$before"
	grep -qE '^VmFlags:.* uw .*ui' "/proc/$pid/smaps" || fail "nothing is registered"
	frazil status --json | grep -q "\"pid\": $pid," || fail "not tracked: $(frazil status)"
}

pages_start --mib 8
armed_as_before 1
pages_verify
kill_task

# Free descriptors that are not in a row.
setsid sleep 1000 4</dev/null 6</dev/null 8</dev/null >/dev/null 2>&1 &
pid=$!
until [ "$(cat "/proc/$pid/comm")" = sleep ]; do sleep 0.1; done
[[ $(listing) == *"8 /dev/null"* ]] || fail "the task has not what it was given: $(listing)"
armed_as_before 2
kill -0 "$pid" || fail "the task is gone"
