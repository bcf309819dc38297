# Transparent huge pages on Linux 7.3. Soft-dirty and use are told of a huge page as a
# whole, so nothing is said about how much is dumped, only that it is right.
. "$(dirname "$0")/lib.sh"
echo always >/sys/kernel/mm/transparent_hugepage/enabled
pages_start --mib 64 --huge --write-percent 1 --read-percent 1
huge=$(awk '/^AnonHugePages/ { s += $2 } END { print s }' "/proc/$pid/smaps")
holds "KiB in huge pages" "$huge" -ge 32768
predump 1
pages_round
predump 2 --prev-images-dir ../1
holds "pages dumped" "$(stat_of 2 pages_written)" -ge "$dirtied"
pages_round
dump 3 --track-mem --prev-images-dir ../2
restore 3
pages_verify
