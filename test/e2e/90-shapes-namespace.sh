# A tree in namespaces of its own, for users, processes and mounts, as in a container.
. "$(dirname "$0")/lib.sh"
root=$PWD/root
mkdir root
mount -t tmpfs -o mode=755 tmpfs root
trap 'kill -KILL "$pid"; sleep 1; umount -l "$root"' EXIT
mkdir root/proc root/dev root/old
mknod -m 666 root/dev/null c 1 3
cp "$BIN/shapes" root/
report=$root/report
: >"$report"
cat >enter.sh <<'EOF2'
umount=$(command -v umount) linker=$(ldd "$umount" | grep -o '/[^ ]*/ld-linux[^ ]*')
mount --make-rprivate / && mount --rbind "$1" "$1" && mount -t proc proc "$1/proc" && cd "$1" &&
	pivot_root . old && cd / && shift &&
	"/old$linker" --library-path /old/usr/lib/x86_64-linux-gnu "/old$umount" -l /old &&
	exec "$@" </dev/null >/dev/null 2>&1
EOF2
unshare --user --map-root-user --mount --pid --fork setsid sh ./enter.sh "$root" \
	/shapes --report /report --seed "${SEED:-1}" --areas anon,remap,shared,memfd --children </dev/null >start.out 2>&1 &
unshare_pid=$!
disown
poll 100 grep -q ready "$report"
pid=$(pgrep -P "$unshare_pid") || fail "does not start: $(cat start.out "$report")"
answers=1 generation=0 expected=()
[ "$(readlink "/proc/$pid/ns/user")" != "$(readlink /proc/self/ns/user)" ] || fail "no user namespace"

predump 1 --root "$root"
shapes_round
predump 2 --root "$root" --pre-dump-mode read --prev-images-dir ../1
shapes_expect 2
shapes_round
dump 3 --root "$root" --track-mem --prev-images-dir ../2
shapes_expect 3
restore 3 --root "$root" --pidfile "$PWD/pid"
pid=$(cat pid)
shapes_verify
shapes_bounds
shapes_round
shapes_verify
