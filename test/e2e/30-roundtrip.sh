# Pre-dumps, a dump and a restore: every page is right, what was not written is not
# dumped again, and the counts add up.
. "$(dirname "$0")/lib.sh"
mode=${MODE:-splice}

# More than was dirtied: file mappings, stack and heap of the process, a constant.
expect_redumped()
{
	local written
	written=$(stat_of "$1" pages_written)
	holds "pages dumped of the $dirtied that were dirtied" "$written" -ge "$dirtied"
	holds "pages dumped, times 100" $((written * 100)) -le $((dirtied * 105))
	dirtied=0
}

pages_start --mib 96 --write-percent 15 --read-percent 10 "$@"
predump 1 --pre-dump-mode "$mode"
is "round of the first pre-dump" "$(round_of 1 hot)" -
pages_round
predump 2 --pre-dump-mode "$mode" --prev-images-dir ../1
expect_redumped 2
hot=$(round_of 2 hot) cold=$(round_of 2 cold) scanned=$(round_of 2 pages)
is "hot + cold" $((hot + cold)) "$scanned"
used=$((wrote + read_pages + table))
holds "hot pages" "$hot" -ge "$used"
holds "hot pages, times 100" $((hot * 100)) -le $((used * 105))
pages_round
dump 3 --track-mem --prev-images-dir ../2
expect_redumped 3
kill -0 "$pid" 2>/dev/null && fail "still alive after the dump"
restore 3
pages_verify
