# Pages that are in swap when they are dumped, or come back from there between rounds;
# in a memory cgroup that has not room for all of them.
. "$(dirname "$0")/lib.sh"
grep -q zram /proc/swaps || skip "no swap"
group=/sys/fs/cgroup/shapes
mkdir -p $group
trap 'kill -KILL "$pid" && sleep 1; rmdir $group' EXIT
as=(sh -c 'echo $$ >/sys/fs/cgroup/shapes/cgroup.procs && exec "$@"' sh)
shapes_start pageout,anon,free,thp
holds "KiB in swap" "$(awk '/^VmSwap/ { print $2 }' "/proc/$pid/status")" -ge 384
# Not memory.max: dumping holds up to all pages in memory at once (splice), or 1024 of them
# (process_vm_readv() of read), and the task would be killed, with stock CRIU too.
echo 4M >$group/memory.high
shapes_chain splice read
