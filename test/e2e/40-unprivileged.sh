# A task of another user, in a user namespace of its own, with no_new_privs.
. "$(dirname "$0")/lib.sh"
chmod 777 .
as=(setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs)
pages_start --mib 16 --write-percent 10
is "uid" "$(stat -c %u "/proc/$pid")" 65534
predump 1
pages_round
dump 2 --track-mem --prev-images-dir ../1
holds "pages dumped" "$(stat_of 2 pages_written)" -le $((dirtied + 200))
restore 2
pages_verify
