# Private mappings of a file, whose written pages are given back, and pages that the
# kernel writes, by AIO: of a file system in memory, and of one on a disk.
. "$(dirname "$0")/lib.sh"
mkdir memory disk
(
	cd memory
	shapes_start filepriv,anon --children
	shapes_chain splice read
)
cd disk
on_disk=$(mktemp -d /var/tmp/shapes.XXXXXX)
trap 'rm -rf "$on_disk"' EXIT
shapes_start filepriv,aio --dir "$on_disk"
shapes_chain read splice
