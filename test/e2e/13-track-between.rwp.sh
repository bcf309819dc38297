# What rwp needs reset is what criu's own tracking goes by: on top of images that criu made with
# that, a dump of a task that was tracked with rwp since has all of its memory.
. "$(dirname "$0")/lib.sh"
pages_start --mib 16 --write-percent 10
FRAZIL_TRACKER=none predump 1
pages_round
must frazil track "$pid"
dump 2 --track-mem --prev-images-dir ../1
holds "pages dumped" "$(stat_of 2 pages_written)" -ge $((16 * 256))
restore 2
pages_verify
