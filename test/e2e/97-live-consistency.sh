# Images that were made while threads moved money, by each freezer: in each of them everything
# adds up. IMAGES: how many of each freezer.
. "$(dirname "$0")/lib.sh"
for freezer in ${FREEZERS:-deactivate fork wp}; do
	bank_start --mib 16 --threads 4
	left=${IMAGES:-3}
	while [ "$left" -gt 0 ]; do
		batch=$((left < 10 ? left : 10))
		for i in $(seq $batch); do
			rm -rf "$i"
			FRAZIL_FREEZE=$freezer dump "$i" --leave-running -v1
		done
		bank_verify
		kill_task
		for i in $(seq $batch); do
			restore "$i" -v1
			bank_verify
			[ "$i" = $batch ] || kill_task
		done
		left=$((left - batch))
	done
	kill_task
	echo "$freezer: ${IMAGES:-3} images"
done
