# Two pid namespaces that see the same /run: each has a keeper, for a task may have the
# same pid in both.
. "$(dirname "$0")/lib.sh"

cycle_start()
{
	pages_start --mib 16 --write-percent 10
	predump 1
	pages_round
	is "tasks tracked" "$(frazil status --json | python3 -c '
import json, sys
print(*(task["pid"] for task in json.load(sys.stdin)))')" "$pid"
}

cycle_end()
{
	dump 2 --track-mem --prev-images-dir ../1
	holds "pages dumped" "$(stat_of 2 pages_written)" -ge "$dirtied"
	holds "pages dumped" "$(stat_of 2 pages_written)" -le $((dirtied + 60))
	restore 2
	pages_verify
}

# The same again, in a namespace: criu, the keeper and the task are all in it.
if [ "${1:-}" = inner ]; then
	mkdir inner
	cd inner
	cycle_start
	cycle_end
	exit 0
fi

cycle_start
must unshare --pid --mount-proc --fork bash "$0" inner
is "sockets left in /run/frazil" "$(find /run/frazil -name 'keeper*.sock' | wc -l)" 2
cycle_end
