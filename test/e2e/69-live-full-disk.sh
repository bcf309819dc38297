# No room for the images of a live dump, once the task runs on: it keeps running, nothing
# looks like images, and the next attempt works.
. "$(dirname "$0")/lib.sh"
mkdir small
mount -t tmpfs -o size=24m tmpfs small
trap 'umount -l small' EXIT
bank_start --mib 48 --threads 4
for freezer in ${FREEZERS:-deactivate fork wp}; do
	FRAZIL_FREEZE=$freezer must_fail criu dump -D small -t "$pid" --leave-running -v4 -o ../$freezer.log
	grep -q "No space left" $freezer.log || fail "the log does not say why: $(tail -n 3 $freezer.log)"
	[ ! -s small/inventory.img ] || fail "an inventory was written"
	rm -rf small/*
	bank_verify
	FRAZIL_FREEZE=$freezer dump $freezer --leave-running
	bank_verify
done
kill_task
restore wp
bank_verify
