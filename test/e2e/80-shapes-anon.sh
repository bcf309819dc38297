# Private memory: small pages, huge ones that writes split, locked ones, the stack as it
# grows. What a round wrote is dumped again, and little else.
. "$(dirname "$0")/lib.sh"
shapes_start anon,thp,locked,mainstack,growsdown
huge=$(awk '/^AnonHugePages/ { s += $2 } END { print s }' "/proc/$pid/smaps")
holds "KiB in huge pages" "$huge" -ge 4096
shapes_chain splice read
