# frazil flatten: three directories of images become one, which stock CRIU restores
# without the others.
. "$(dirname "$0")/lib.sh"
pagemap() { python3 "$(dirname "$0")/pagemap.py" "$@"; }

# flat EXPRESSION: of the answer f
flat() { python3 -c 'import json, sys; f = json.load(open("flat.json")); print(eval(sys.argv[1]))' "$1"; }

expect_whole()
{
	local f
	for f in "$1"/*.img "$1"/stats-dump; do
		case $f in
		*/pages-*.img) ;;
		*) crit show "$f" >/dev/null || fail "crit cannot show $f" ;;
		esac
	done
	[ ! -L "$1/parent" ] || fail "it has a parent"
	[ -z "$(find "$1" -name '*.log' -o -name frazil.rounds)" ] || fail "copied: $(ls "$1")"
	[ -z "$(compgen -G "$1.frazil-*")" ] || fail "left behind: $(compgen -G "$1.frazil-*")"
}

pages_start --mib 48 --write-percent 12 --read-percent 10 --hole-every 9 --readonly-tail 10
predump 1
pages_round
predump 2 --prev-images-dir ../1
pages_round
dump 3 --track-mem --prev-images-dir ../2
frazil flatten 3 --output flat --json >flat.json || fail "flatten failed: $?"
expect_whole flat
all=$(pagemap count "3/pagemap-$pid.img" all)
is "pages" "$(flat 'f["pages"]')" "$all"
is "pages in the pagemap" "$(pagemap count "flat/pagemap-$pid.img" all)" "$all"
is "pages present" "$(pagemap count "flat/pagemap-$pid.img" PE_PRESENT)" "$all"
is "pages of all levels" "$(flat 'sum(l["pages"] for l in f["levels"])')" "$all"
is "pages of the top" "$(flat 'f["levels"][0]["pages"]')" "$(pagemap count "3/pagemap-$pid.img" PE_PRESENT)"
holds "pages of the middle" "$(flat 'f["levels"][1]["pages"]')" -ge 1000
holds "pages of the first" "$(flat 'f["levels"][2]["pages"]')" -ge 5000
is "lazy ones" "$(pagemap count "flat/pagemap-$pid.img" PE_LAZY)" "$(pagemap count "3/pagemap-$pid.img" PE_LAZY)"
is "size of the pages file" "$(cat flat/pages-*.img | wc -c)" $((all * 4096))
cmp 3/frazil.working-set flat/frazil.working-set || fail "the working set did not go along"
is "mode" "$(stat -c %a flat)" "$(stat -c %a 3)"
[[ $(frazil flatten 3 --output again | tail -n 1) == "again: $all pages in "* ]] || fail "text"
diff -r flat again || fail "the same images, another result"
# In a directory that is there, and as somebody else.
chmod -R a+rX . && mkdir theirs && chown 65534 theirs && mkdir theirs/flat && chown 65534 theirs/flat
must setpriv --reuid 65534 --clear-groups frazil flatten 3 --output theirs/flat/
diff -r flat theirs/flat || fail "the same images, another result"
mkdir away
mv 1 2 3 away/
CRIU=criu-stock restore flat
pages_verify
# It is dumped anew, and that made flat again.
pages_round
CRIU=criu-stock predump after
pages_round
CRIU=criu-stock dump top --track-mem --prev-images-dir ../after
must frazil flatten top --output top-flat
rm -rf after
CRIU=criu-stock restore top-flat
pages_verify
