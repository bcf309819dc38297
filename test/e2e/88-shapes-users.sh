# Unprivileged tasks that may not call userfaultfd(2), and one that is stopped.
. "$(dirname "$0")/lib.sh"
chmod 777 .
mkdir -m 777 unprivileged stopped
(
	cd unprivileged
	as=(setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs)
	shapes_start anon,thp,dontneed,shared --seccomp --children
	is "seccomp" "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" 2
	is "uid" "$(stat -c %u "/proc/$pid")" 65534
	shapes_chain splice read
)
cd stopped
state() { awk '/^State:/ { print $2 }' "/proc/$pid/status"; }
shapes_start anon,free
predump 1
shapes_round
kill -STOP "$pid"
predump 2 --pre-dump-mode read --prev-images-dir ../1
is "state after the pre-dump" "$(state)" T
dump 3 --track-mem --prev-images-dir ../2
restore 3
is "state after the restore" "$(state)" T
kill -CONT "$pid"
shapes_verify
shapes_round
shapes_verify
