# What frazil flatten made is restored lazily by stock CRIU, also where the images on top
# say that pages of the parent may be lazy, which stock CRIU cannot serve.
. "$(dirname "$0")/lib.sh"
pagemap() { python3 "$(dirname "$0")/pagemap.py" "$@"; }

lazy_restore()
{
	CRIU=criu-stock lazy_pages "$1"
	CRIU=criu-stock restore "$1" --lazy-pages
	pages_verify
	wait "$daemon" || fail "lazy-pages failed: $(grep -E 'Error|Warn' "$1/lazy-pages.log" | tail -n 5)"
	pages_verify
	transferred=$(grep -oE 'UFFD transferred pages: \([0-9]+/[0-9]+\)' "$1/lazy-pages.log" | tail -n 1)
	# (done/all)
	[[ $transferred =~ \(([0-9]+)/([0-9]+)\) ]] || fail "not told how many: $(tail -n 5 "$1/lazy-pages.log")"
}

pages_start --mib 32 --write-percent 20 --read-percent 10 --hole-every 9
predump 1
pages_round
predump 2 --prev-images-dir ../1
pages_round
dump 3 --track-mem --prev-images-dir ../2
cp -a 3 4
region=$(grep -oE 'region 0x[0-9a-f]+' report | cut -d' ' -f2)
pagemap mark-lazy "4/pagemap-$pid.img" "$region" $((region + (32 << 20)))

# As dumped by a criu that marks what the parent has: nearly all of it is lazy.
must frazil flatten 4 --output all-lazy
lazy=$(pagemap count "all-lazy/pagemap-$pid.img" PE_LAZY)
holds "lazy pages" "$lazy" -ge 5000
# As dumped: what is lazy in 3, and no more.
must frazil flatten 3 --output as-dumped
is "lazy pages" "$(pagemap count "as-dumped/pagemap-$pid.img" PE_LAZY)" "$(pagemap count "3/pagemap-$pid.img" PE_LAZY)"
mkdir away
mv 1 2 3 4 away/

lazy_restore all-lazy
holds "pages that came late" "${BASH_REMATCH[2]}" -ge "$lazy"
kill_task
lazy_restore as-dumped
kill_task
# And without lazy-pages, marks or not.
CRIU=criu-stock restore all-lazy
pages_verify
