# frazil flatten: more than memory. 5 GiB of holes, with 100 MB of address space.
. "$(dirname "$0")/lib.sh"
pagemap() { python3 "$(dirname "$0")/pagemap.py" "$@"; }

mkdir huge
touch huge/inventory.img huge/pstree.img
pagemap make huge/pagemap-7.img 0x10000000:786432:4 0x0d0000000:524288:4 0x200000000:1:6
truncate -s $((1310721 * 4096)) huge/pages-1.img
printf x | dd of=huge/pages-1.img bs=1 seek=4000000000 conv=notrunc 2>/dev/null
(ulimit -v 100000; must frazil flatten huge --output huge-flat)
is "size" "$(stat -c %s huge-flat/pages-1.img)" $((1310721 * 4096))
must python3 - <<'EOP'
import os

def data(path):
    """Where there is data, and what"""
    found, at = [], 0
    with open(path, "rb") as f:
        while True:
            try:
                at = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                return found
            end = os.lseek(f.fileno(), at, os.SEEK_HOLE)
            found.append((at, os.pread(f.fileno(), end - at, at)))
            at = end

assert len(data("huge/pages-1.img")) == 1, "not as sparse as it was made"
assert data("huge/pages-1.img") == data("huge-flat/pages-1.img"), "not the same"
EOP
holds "KiB on disk" "$(du -k huge-flat/pages-1.img | cut -f1)" -le 1024
is "longest entry" "$(pagemap longest huge-flat/pagemap-7.img)" 262144
