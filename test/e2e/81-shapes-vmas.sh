# Ten thousand mappings, and one of 8 GiB with hardly a page in it.
. "$(dirname "$0")/lib.sh"
shapes_start many,sparse
holds "mappings" "$(wc -l <"/proc/$pid/maps")" -ge 10000
shapes_chain splice read
