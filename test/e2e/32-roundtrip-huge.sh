# Transparent huge pages: a write splits one, and the rest of it stays clean and cold.
. "$(dirname "$0")/lib.sh"
echo always >/sys/kernel/mm/transparent_hugepage/enabled
trap 'echo madvise >/sys/kernel/mm/transparent_hugepage/enabled' EXIT
pages_start --mib 64 --huge --write-percent 1 --read-percent 1
huge=$(awk '/^AnonHugePages/ { s += $2 } END { print s }' "/proc/$pid/smaps")
holds "KiB in huge pages" "$huge" -ge 32768
predump 1
pages_round
dump 2 --track-mem --prev-images-dir ../1
written=$(stat_of 2 pages_written)
holds "pages dumped" "$written" -ge "$dirtied"
# A write splits its huge page first, so it is the small page that is dumped. A page
# that is only read thaws all of its huge page, so nothing is said about hot ones.
holds "pages dumped" "$written" -le $((dirtied + 200))
restore 2
pages_verify
