# frazil flatten of images that are damaged, or onto a disk that is full: says which
# file, of whom and what to do, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
pagemap() { python3 "$(dirname "$0")/pagemap.py" "$@"; }

# refused WORDS...: flatten of c/3, all of WORDS are in what it says
refused()
{
	local word
	rm -rf out && mkdir out
	! frazil flatten c/3 --output out/flat >out.txt 2>&1 || fail "not refused: $*"
	out=$(cat out.txt)
	for word in "$@"; do
		[[ $out == *"$word"* ]] || fail "does not say '$word': $out"
	done
	[ "$(wc -l <<<"$out")" = 1 ] || fail "more than one line: $out"
	[ -z "$(ls -A out)" ] || fail "left behind: $(ls -A out)"
}

# A fresh copy of the images to damage
fresh()
{
	rm -rf c
	mkdir c
	cp -a 1 2 3 c/
}

pages_start --mib 16 --write-percent 20 --read-percent 10
predump 1
pages_round
predump 2 --prev-images-dir ../1
pages_round
dump 3 --track-mem --prev-images-dir ../2
map=pagemap-$pid.img

fresh
truncate -s -3 "c/3/$map"
refused "c/3/$map: damaged" "ends in the middle"
fresh
truncate -s -3 "c/1/$map"
refused "c/3/parent/parent/$map: damaged" "dump again"
printf '\377\377\377\377' | dd of="c/1/$map" conv=notrunc 2>/dev/null
refused "c/3/parent/parent/$map: damaged" "does not begin as"
: >"c/1/$map"
refused "c/3/parent/parent/$map: damaged"
pagemap make "c/1/$map" 0x5000:2:4 0x6000:1:4
refused "overlap, or are not in address order"
pagemap make "c/1/$map" 0x5001:2:4
refused "no valid address"
pagemap make "c/1/$map" 0x5000:2:5
refused "does not say where its pages are"
pagemap make "c/1/$map" 0x5000:2:68
refused "written by a newer criu"

fresh
pagemap drop-first "c/1/$map"
refused "c/3/parent/$map: page 0x" "of task $pid is in the parent images, but not in c/3/parent/parent/$map" "put that one back"
fresh
pagemap left-to-server "c/3/$map"
refused "c/3/$map: page 0x" "of task $pid is not in these images" "without --lazy-pages"
fresh
rm "c/1/$map"
refused "c/3/parent/$map: page 0x" "there is no c/3/parent/parent/$map"
fresh
rm c/2/parent
refused "c/3/parent/$map: page 0x" "there is no c/3/parent/parent:"
fresh
rm -rf c/2
refused "c/3/parent: No such file" "put it back"
fresh
rm c/1/parent 2>/dev/null || :
ln -s ../3 c/1/parent
refused "c/3/parent/parent/parent is c/3 again" "in a circle"
fresh
# Not by one page only: the last one is of the stack, and newer in 3.
truncate -s 8M "$(ls c/1/pages-*.img)"
refused "c/3/parent/parent/pages-" "truncated"
fresh
rm c/1/pages-*.img
refused "c/3/parent/parent/pages-" "No such file"
fresh
rm c/3/inventory.img
refused "c/3/inventory.img: No such file" "no directory of CRIU images"

# The output: there already, in no directory, no name at all.
fresh
mkdir there
touch there/something
must_fail frazil flatten c/3 --output there
[[ $out == *"there: exists, and is not empty"* ]] || fail "$out"
is "what was there" "$(ls -A there)" something
touch file
must_fail frazil flatten c/3 --output file
[[ $out == *"file: exists, and is not a directory"* ]] || fail "$out"
must_fail frazil flatten c/3 --output none/flat
[[ $out == *"none/flat: cannot be made: No such file"* ]] || fail "$out"
must_fail frazil flatten nowhere --output flat
[[ $out == *"nowhere: No such file"* ]] || fail "$out"
must_fail frazil flatten c/3
[[ $out == Usage:* ]] || fail "$out"

# No room.
mkdir small
mount -t tmpfs -o size=8m tmpfs small
trap 'umount -l small' EXIT
must_fail frazil flatten c/3 --output small/flat
[[ $out == *"small/flat/"*": No space left on device"*"make room, or give another --output"* ]] || fail "$out"
is "left on the full disk" "$(ls -A small)" ""
is "used on the full disk" "$(df --output=used small | tail -n 1 | tr -d ' ')" 0

# A signal in the middle of it: 10 GiB of holes take a moment, with a page now and then.
mkdir c/big
cp c/3/inventory.img c/big/
pagemap make c/big/pagemap-7.img 0x10000000:2621440:4
truncate -s 10G c/big/pages-1.img
python3 - <<'EOP'
with open("c/big/pages-1.img", "r+b") as f:
    for at in range(0, 10 << 30, 1 << 18):
        f.seek(at)
        f.write(b"x")
EOP
frazil flatten c/big --output big-flat 2>err &
victim=$!
for _ in $(seq 100); do compgen -G 'big-flat.frazil-*/pages-1.img' >/dev/null && break; sleep 0.02; done
kill -TERM $victim
if wait $victim; then fail "it was done before the signal"; fi
[[ $(cat err) == "frazil: interrupted" ]] || fail "$(cat err)"
[ -z "$(compgen -G 'big-flat*')" ] || fail "left behind: $(compgen -G 'big-flat*')"

# And after all that, the images are good, and so is what is made of them.
must frazil flatten 3 --output flat
CRIU=criu-stock restore flat
pages_verify
