# frazil working-set: which pages were used between a pre-dump and a dump, page by page.
. "$(dirname "$0")/lib.sh"

# field DIR EXPRESSION: of the answer for the only task, t; region: its pages in the
# memory that the verifier writes and reads
field()
{
	frazil working-set "$1" --json | python3 -c '
import json, sys
t = json.load(sys.stdin)[0]
lo, hi = int(sys.argv[2], 16), int(sys.argv[2], 16) + 32 * 2**20
def region(test):
    n = 0
    for r in t["ranges"]:
        s = int(r["start"], 16)
        e = s + r["pages"] * 4096
        if test(r):
            n += max(0, min(e, hi) - max(s, lo)) // 4096
    return n
print(eval(sys.argv[1]))' "$2" "$region"
}

pages_start --mib 32 --write-percent 10 --read-percent 10
region=$(grep -oE 'region 0x[0-9a-f]+' report | cut -d' ' -f2)
predump 1
is "source, first round" "$(field 1 't["source"]')" first-round
[[ $(frazil working-set 1) == *"nothing is known of them yet" ]] || fail "$(frazil working-set 1)"
pages_round
dump 2 --track-mem --prev-images-dir ../1
[ -e 2/frazil.working-set ] || fail "no file: $(ls 2)"
is "source" "$(field 2 't["source"]')" working-set
is "used in the region" "$(field 2 'region(lambda r: r["used"])')" $((wrote + read_pages))
is "written in the region" "$(field 2 'region(lambda r: r["written"])')" "$wrote"
is "not tracked in the region" "$(field 2 'region(lambda r: not r["tracked"])')" 0
is "all of the region" "$(field 2 'region(lambda r: True)')" $((32 * 256))
all=$(python3 "$(dirname "$0")/pagemap.py" count "2/pagemap-$pid.img" all)
is "pages" "$(field 2 't["pages"]')" "$all"
is "hot + cold" "$(field 2 't["hot"] + t["cold"]')" "$all"
is "bytes" "$(field 2 't["hot_bytes"] + t["cold_bytes"]')" $((all * 4096))
is "sum of ranges" "$(field 2 'sum(r["pages"] for r in t["ranges"])')" "$all"
is "sum of those used" "$(field 2 'sum(r["pages"] for r in t["ranges"] if r["used"])')" "$(field 2 't["hot"]')"
is "cold" "$(field 2 't["cold"]')" "$(round_of 2 cold)"
is "in order" "$(field 2 '[int(r["start"], 16) for r in t["ranges"]] == sorted(int(r["start"], 16) for r in t["ranges"])')" True
[[ $(frazil working-set 2 --pid "$pid") == "task $pid: $all pages, "* ]] || fail "$(frazil working-set 2 | head -3)"

must_fail frazil working-set 2 --pid 4000000
[[ $out == *"no such task"* ]] || fail "$out"
must_fail frazil working-set 2 --pid x
must_fail frazil working-set
must_fail frazil working-set nowhere
[[ $out == *"nowhere: No such file"* ]] || fail "$out"

# It is a hint: without it, or with a damaged one, the images restore.
cp -a 2 3
head -c 30 /dev/urandom >3/frazil.working-set
must_fail frazil working-set 3
[[ $out == *"3/frazil.working-set: damaged"* ]] || fail "$out"
rm 3/frazil.working-set
must frazil working-set 3
[[ $(frazil working-set 3 2>&1 >/dev/null) == *"told from the pagemaps"* ]] || fail "the source is not told"
is "source" "$(field 3 't["source"]' 2>/dev/null)" pagemap
is "cold, from the pagemap" "$(field 3 't["cold"]' 2>/dev/null)" \
	"$(python3 "$(dirname "$0")/pagemap.py" count "3/pagemap-$pid.img" PE_LAZY)"
restore 3
pages_verify
