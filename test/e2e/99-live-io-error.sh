# The disk of a live dump goes bad: at the first write or later, where pages go that are
# saved before others, or where the images are, of memory and others. The dump fails and says
# why, nothing looks like images, and the task runs on with all its memory.
. "$(dirname "$0")/lib.sh"
bank_start --mib 32 --threads 4

# attempt FREEZER NAME AFTER
attempt()
{
	local dir=$1-$2-$3 rc=0
	rm -f hit
	mkdir "$dir"
	env LD_PRELOAD="$BIN/eio.so" EIO_NAME="/$2" EIO_AFTER="$3" EIO_HIT="$PWD/hit" FRAZIL_FREEZE="$1" \
		criu dump -D "$dir" -t "$pid" --leave-running -v4 -o ../dump.log >out 2>&1 || rc=$?
	is "tracer after $dir" "$(awk '/^TracerPid:/ { print $2 }' "/proc/$pid/status")" 0
	is "children after $dir" "$(cat "/proc/$pid/task/$pid/children")" ""
	bank_verify
	if [ -e hit ]; then
		hits=$((hits + 1))
		is "status of $dir" $rc 1
		grep -q "Input/output error" dump.log || fail "$dir: the log does not say why: $(tail -n 3 dump.log)"
		[ ! -s "$dir/inventory.img" ] || fail "$dir has an inventory"
	else
		# Nobody wanted a page that had to be saved before.
		is "status of $dir" $rc 0
		[ "$2" = "#" ] || fail "$dir: no write failed"
	fi
	rm -rf "$dir"
}

for freezer in ${FREEZERS:-deactivate fork wp}; do
	hits=0
	# A file without a name is shown as "#" and a number.
	for after in 0 2 20; do
		attempt "$freezer" "#" $after
	done
	for after in 0 5; do
		attempt "$freezer" pages- $after
	done
	attempt "$freezer" pstree 0
	EIO_LATE=1 attempt "$freezer" "#" 0
	[ -e hit ] || fail "nobody asked whether the file is on the disk"
	# With fork nothing is saved before others.
	least=4
	[ "$freezer" != fork ] || least=3
	holds "writes that failed with $freezer" $hits -ge $least
	FRAZIL_FREEZE=$freezer dump "$freezer" --leave-running
	bank_verify
done
kill_task
restore "$freezer"
bank_verify
