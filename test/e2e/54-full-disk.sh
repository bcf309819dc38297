# No room for the images: the error is told, the task runs on, nothing that looks like
# images remains, and the next attempt works.
. "$(dirname "$0")/lib.sh"
mkdir small
mount -t tmpfs -o size=4m tmpfs small
trap 'umount -l small' EXIT
pages_start --mib 32 --write-percent 10
for mode in splice read; do
	mkdir small/$mode
	must_fail criu pre-dump -t "$pid" -D small/$mode --pre-dump-mode $mode -v4 -o log
	[ ! -s small/$mode/inventory.img ] || fail "an inventory was written"
	[ ! -e small/$mode/frazil.rounds ] || fail "a rounds file was written"
	rm -rf small/$mode
	pages_round
	pages_verify
done
must_fail criu dump -t "$pid" -D small --track-mem -v4 -o log
pages_verify
rm -rf small/*
predump 1
pages_round
dump 2 --track-mem --prev-images-dir ../1
holds "pages dumped" "$(stat_of 2 pages_written)" -le $((wrote + table + 200))
restore 2
pages_verify
