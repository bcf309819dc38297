# SPDX-License-Identifier: GPL-2.0-only
# How long a task is stopped by a dump that it goes on after, for several sizes of its
# memory, MIB, or MIB:huge in huge pages: by stock criu, where this kernel and machine have
# one, and with each freezer. The task uses a fifth of its memory and writes to a fiftieth
# of it all the time. Lines of "SIZE WHO frozen_us faults wait_99_us wait_max_us peak_kib"
# are appended to $RESULTS.
# SIZES, ROUNDS, WHO, BIN and E2E are from the environment.
. "$E2E/lib.sh"

# peak_of COMMAND...: runs it, and sets $peak to the most memory that a process of it had, in KiB
peak_of()
{
	"$@" &
	local criu=$! now
	peak=0
	while kill -0 $criu 2>/dev/null; do
		now=$(awk '/^VmHWM:/ { print $2 }' "/proc/$criu/status" 2>/dev/null || :)
		[ "${now:-0}" -le $peak ] || peak=$now
		sleep 0.02
	done
	wait $criu
}

live_once()
{
	local mib=$1 who=$2 criu=criu
	[ "$who" != stock ] || criu=criu-stock
	rm -rf images
	mkdir images
	peak_of env FRAZIL_FREEZE="$who" $criu dump -D images -t "$pid" --leave-running -v1 -o dump.log ||
		fail "dump with $who failed: $(tail -n 3 images/dump.log)"
	if [ "$who" = stock ]; then
		echo "$mib $who $(stat_of images frozen_time) 0 0 0 $peak"
	else
		echo "$mib $who $(stat_of images frozen_time) $(live_of images faults) $(live_of images wait_99_us) \
$(live_of images wait_max_us) $peak"
	fi >>"$RESULTS"
}

for mib in $SIZES; do
	huge=
	[[ $mib != *:huge ]] || huge=--huge
	bank_start --mib "${mib%:*}" --threads 1 --span 20 --alone $huge
	for round in $(seq "$ROUNDS"); do
		for who in $WHO; do
			live_once "$mib" "$who"
			bank_verify
		done
		echo "  BENCH   live dump of $mib MiB, round $round of $ROUNDS"
	done
	kill_task
done
