# The plugin gets no memory, at each of its allocations in turn: the pre-dump or the
# dump fails and leaves nothing that looks like images, or it is complete. The task
# runs on, with its memory as it was.
. "$(dirname "$0")/lib.sh"
TIMEOUT=600

# attempt DIR COMMAND OPTIONS...: sets $rc, and $hit if there was an allocation $at
attempt()
{
	rm -f hit
	mkdir -p "$1"
	rc=0
	env LD_PRELOAD="$BIN/nomem.so" NOMEM_AT="$at" NOMEM_HIT="$PWD/hit" \
		criu "$2" -D "$1" -t "$pid" -v4 -o log "${@:3}" >out 2>&1 || rc=$?
	hit=
	[ ! -e hit ] || hit=1
	holds "status of $2 after allocation $at failed" $rc -lt 128
	[ $rc = 0 ] || [ ! -e "$1/inventory.img" ] || fail "$2 failed at allocation $at, and wrote an inventory"
}

runs_on()
{
	is "tracer after allocation $at failed" "$(awk '/^TracerPid:/ { print $2 }' "/proc/$pid/status")" 0
	pages_verify
	pages_round
}

pages_start --mib 2 --write-percent 10
failed=0

# On top of images, so that there is something to believe.
predump 1
hit=1
for ((at = 1; hit; at++)); do
	pages_round
	attempt "p$at" pre-dump --prev-images-dir ../1
	failed=$((failed + (rc != 0)))
	runs_on
done
holds "allocations of a pre-dump" $((at - 1)) -ge 5
is "the pre-dump that got all its memory" $rc 0

hit=1
for ((at = 1; hit; at++)); do
	rm -rf 1
	predump 1
	pages_round
	attempt "d$at" dump --track-mem --prev-images-dir ../1
	failed=$((failed + (rc != 0)))
	[ $rc != 0 ] || restore "d$at"
	runs_on
done
holds "allocations of a dump" $((at - 1)) -ge 5
is "the dump that got all its memory" $rc 0

# A dump that it goes on after, with each freezer.
for freezer in ${FREEZERS:-deactivate fork wp}; do
	export FRAZIL_FREEZE=$freezer
	hit=1
	for ((at = 1; hit; at++)); do
		attempt "$freezer$at" dump --leave-running
		failed=$((failed + (rc != 0)))
		runs_on
		is "children after allocation $at failed" "$(cat "/proc/$pid/task/$pid/children")" ""
	done
	holds "allocations of a live dump" $((at - 1)) -ge 5
	is "the live dump that got all its memory" $rc 0
done
echo "$failed commands failed"
