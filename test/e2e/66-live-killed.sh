# criu is killed in a live dump, from when memory is frozen on: the task runs on and has its
# memory, no inventory makes the images look complete, no child remains, and the next dump
# works. Not earlier: a task that runs injected code does not survive the end of any criu.
. "$(dirname "$0")/lib.sh"
bank_start --mib 48 --threads 4
killed=0 tried=0
for freezer in ${FREEZERS:-deactivate fork wp}; do
	# As the log tells it: stopped; resumed; while memory is copied.
	tried=$((tried + 4))
	for at in "frozen with" "Unfreezing tasks" "Copying pages" "hook 19"; do
		rm -rf images
		mkdir images
		FRAZIL_FREEZE=$freezer criu dump -D images -t "$pid" --leave-running -v4 -o dump.log >out 2>&1 &
		criu=$!
		until grep -qs "$at" images/dump.log || ! kill -0 $criu 2>/dev/null; do :; done
		kill -KILL $criu 2>/dev/null && killed=$((killed + 1))
		wait $criu 2>/dev/null || :
		[ ! -e images/inventory.img ] || echo "too late: $freezer, $at"
		poll 50 test -z "$(awk '/^TracerPid:/ && $2 { print }' "/proc/$pid/status")"
		bank_verify
		before=$transfers
		bank_verify
		poll 50 test -z "$(cat "/proc/$pid/task/$pid/children")"
		is "children after $freezer, $at" "$(cat "/proc/$pid/task/$pid/children")" ""
	done
	rm -rf images
	FRAZIL_FREEZE=$freezer dump images --leave-running
	bank_verify
done
holds "times it was killed, of $tried" $((killed * 4)) -ge $((tried * 3))
kill_task
restore images
bank_verify
