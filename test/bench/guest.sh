# SPDX-License-Identifier: GPL-2.0-only
# In the guest: lines of "MIB WHO STEP frozen_us pages_written" into results.
export BIN=/mnt/share/bin
. /mnt/share/e2e/lib.sh
: >/mnt/share/results
for mib in $SIZES; do
	for round in $(seq "$ROUNDS"); do
		for who in criu-stock criu; do
			rm -rf /tmp/work
			mkdir /tmp/work
			cd /tmp/work
			generation=0
			pages_start --mib "$mib" --write-percent 2 --read-percent 18
			CRIU=$who predump 1 --pre-dump-mode read
			pages_round
			CRIU=$who predump 2 --pre-dump-mode read --prev-images-dir ../1
			pages_round
			CRIU=$who dump 3 --track-mem --prev-images-dir ../2
			for step in 1 2 3; do
				echo "$mib $who $step $(stat_of $step frozen_time) $(stat_of $step pages_written)"
			done >>/mnt/share/results
		done
		echo "  BENCH   $mib MiB, round $round of $ROUNDS"
	done
done
