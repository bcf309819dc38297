# Ten thousand mappings, and one of 64 GiB with hardly a page in it.
. "$(dirname "$0")/lib.sh"
shapes_start many,sparse
mappings=$(wc -l <"/proc/$pid/maps")
holds "mappings" "$mappings" -ge 10000
# What the keeper needs does not depend on how many there are.
must frazil track "$pid"
anon_kib=$(awk '/^RssAnon/ { print $2 }' "/proc/$(pidof frazild)/status")
holds "KiB of the keeper" "$anon_kib" -le $((1024 + mappings * 200 / 1024))
must frazil untrack "$pid"
shapes_chain splice read
