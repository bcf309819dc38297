# SPDX-License-Identifier: GPL-2.0-only
# In the guest: how long a restore from local images takes until the task runs, and how
# many page faults the task then waits for, to use its working set of HOT percent,
# scattered pages, once. Lines of "HOW ms faults" into restore-results.
#
#   eager   stock images, stock criu restore
#   lazy    stock images, stock criu lazy-pages: all private memory is lazy
#   frazil  a pre-dump and a dump on top of it, which knows the working set
export BIN=/mnt/share/bin
. /mnt/share/e2e/lib.sh
: >/mnt/share/restore-results

# From when criu began to when it let the task go on, in milliseconds, by its log.
resumed_ms() { echo $((10#$(sed -nE 's/^\(([0-9]+)\.([0-9]{3})[0-9]*\).*Tasks resumed.*/\1\2/p' "$1/restore.log"))); }

# restore_one HOW CRIU DIR
restore_one()
{
	local how=$1 dir=$3 lazy=() ms faults=0
	export CRIU=$2
	daemon=
	sync
	if [ "$how" != eager ]; then
		lazy=(--lazy-pages)
		lazy_pages "$dir"
	fi
	restore "$dir" "${lazy[@]}"
	ms=$(resumed_ms "$dir")
	pages_round
	[ -z "$daemon" ] || faults=$(grep -c '#PF at' "$dir/lazy-pages.log" || :)
	echo "$how $ms $faults" >>/mnt/share/restore-results
	kill_task
	[ -z "$daemon" ] || { kill "$daemon" 2>/dev/null || :; wait "$daemon" || :; rm -f "$dir/lazy-pages.socket"; }
}

rm -rf /tmp/work
mkdir /tmp/work
cd /tmp/work
start() { generation=0; pages_start --mib "$MIB" --write-percent 0 --read-percent "$HOT" --same-reads; pages_round; }
start
CRIU=criu-stock dump stock
start
predump 1
pages_round
dump frazil --track-mem --prev-images-dir ../1
for round in $(seq "$ROUNDS"); do
	pid=$(crit show stock/pstree.img | python3 -c 'import json, sys; print(json.load(sys.stdin)["entries"][0]["pid"])')
	restore_one eager criu-stock stock
	restore_one lazy criu-stock stock
	pid=$(crit show frazil/pstree.img | python3 -c 'import json, sys; print(json.load(sys.stdin)["entries"][0]["pid"])')
	restore_one frazil criu frazil
	echo "  BENCH   restore of $MIB MiB, round $round of $ROUNDS"
done
