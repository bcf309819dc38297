# One of two tasks is killed by somebody while criu stops it, injects code into it, tracks or
# freezes it: criu ends with an error or with images, the other task runs on and has its
# memory, and can be dumped.
TIMEOUT=600
. "$(dirname "$0")/lib.sh"
# At every EVERYth of criu's calls of ptrace() for the task.
every=${EVERY:-16}

end_both()
{
	kill_task
	kill -KILL "$child" 2>/dev/null || return 0
	while kill -0 "$child" 2>/dev/null; do sleep 0.1; done
}

# killed_at WHEN DIR COMMAND...
killed_at()
{
	local rc=0
	pages_start --mib 4 --write-percent 10 --child
	child=$(cat "/proc/$pid/task/$pid/children")
	child=${child% }
	rm -rf "$2" hit
	mkdir "$2"
	LD_PRELOAD=$BIN/dies.so DIE_PID=$child DIE_AT=$1 DIE_HIT=$PWD/hit \
		timeout 60 criu "$3" -t "$pid" -D "$2" -v4 -o log "${@:4}" >"$2/out" 2>&1 || rc=$?
	[ $rc -lt 124 ] || fail "$*: ended with $rc"
	if [ $rc != 0 ]; then
		[ ! -e "$2/inventory.img" ] || fail "$*: failed, and there is an inventory"
		grep -q 'Error' "$2/log" || fail "$*: failed, and does not say why"
		failed=$((failed + 1))
	fi
	if [ -e hit ]; then
		# Its parent tells once it runs.
		children=0
		pages_wait
		[[ $answer == "child gone status 0x9" ]] || fail "$*: $answer"
		hits=$((hits + 1))
	fi
	poll 50 grep -q '^TracerPid:[[:space:]]*0$' "/proc/$pid/status"
	grep -q '^TracerPid:[[:space:]]*0$' "/proc/$pid/status" || fail "$*: still traced"
	pages_round
	pages_verify
}

for what in "pre-dump --pre-dump-mode splice" "pre-dump --pre-dump-mode read" "dump --leave-running"; do
	at=1 hits=0 failed=0
	while [ $at = 1 ] || [ -e hit ]; do
		# shellcheck disable=SC2086
		killed_at $at images $what
		end_both
		at=$((at + every))
	done
	holds "times it was killed in $what" $hits -ge 3
	holds "times that failed" $failed -ge 2
	is "failures" "$((failed <= hits))" 1
	pidof frazild >/dev/null || fail "the keeper is gone"
done

# The one that is left can be tracked and dumped.
# shellcheck disable=SC2086
killed_at $((1 + every)) images $what
predump 1
pages_round
dump 2 --track-mem --prev-images-dir ../1
restore 2
pages_verify
