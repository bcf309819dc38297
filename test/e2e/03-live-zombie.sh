# In a pid namespace CRIU takes the children of a task that it does not know for its zombies. The child that
# a freezer makes meanwhile is none: the zombie of another thread has its own pid and status in
# the images.
. "$(dirname "$0")/lib.sh"
report=$PWD/report
unshare --pid --fork setsid "$BIN/zombie" "$report" </dev/null >/dev/null 2>&1 &
unshare_pid=$!
disown
poll 100 test -s "$report"
pid=$(pgrep -P "$unshare_pid")
trap 'kill -KILL "$pid"' EXIT
read -r child status <"$report"

for freezer in ${FREEZERS:-deactivate fork wp}; do
	FRAZIL_FREEZE=$freezer dump "$freezer" --leave-running
	is "pids in the images with $freezer" \
		"$(crit show "$freezer/pstree.img" | python3 -c 'import json, sys
print(*[e["pid"] for e in json.load(sys.stdin)["entries"]])')" "1 $child"
	is "status of the zombie with $freezer" "$(crit show "$freezer/core-$child.img" | python3 -c 'import json, sys
print(json.load(sys.stdin)["entries"][0]["tc"]["exit_code"])')" $((status << 8))
done
