# Arming leaves the task's descriptors and mappings as they were.
. "$(dirname "$0")/lib.sh"
pages_start --mib 8
listing() { (cd "/proc/$pid/fd" && for f in *; do echo "$f $(readlink "$f")"; done); }
maps() { awk '{ print $1, $2, $6 }' "/proc/$pid/maps"; }
fds=$(listing) before=$(maps)
predump 1
is "descriptors" "$(listing)" "$fds"
# The vsyscall and heap lines may not move either: all of it is compared.
is "mappings" "$(maps)" "$before"
grep -qE '^VmFlags:.* uw .*ui' "/proc/$pid/smaps" || fail "nothing is registered"
frazil status --json | grep -q "\"pid\": $pid," || fail "not tracked: $(frazil status)"
pages_verify
