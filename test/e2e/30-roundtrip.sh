# Pre-dumps, a dump and a restore: every page is right, what was not written is not
# dumped again, and what is said of use is right as far as the tracker can tell.
#
# MODE: of pre-dump. TRACKER: which one is expected to be in use.
. "$(dirname "$0")/lib.sh"
mode=${MODE:-splice}
tracker=${TRACKER:-deactivate}

# More than was dirtied: file mappings, stack and heap of the process, a constant.
expect_redumped()
{
	local written
	written=$(stat_of "$1" pages_written)
	holds "pages dumped of the $dirtied that were dirtied" "$written" -ge "$dirtied"
	holds "pages dumped, times 100" $((written * 100)) -le $((dirtied * 105))
}

# expect_used DIR UNSURE: UNSURE pages may look used, and need not be
expect_used()
{
	local hot cold used=$((wrote + read_pages + table))
	hot=$(round_of "$1" hot) cold=$(round_of "$1" cold)
	is "hot + cold" $((hot + cold)) "$(round_of "$1" pages)"
	holds "hot pages" "$hot" -ge "$used"
	holds "hot pages, times 100" $((hot * 100)) -le $(((used + $2) * 105))
}

# infected DIR: how often a parasite was put into the task
infected() { grep -c 'Parasite syscall_ip' "$1/pre-dump.log" || true; }

pages_start --mib 96 --write-percent 15 --read-percent 10 "$@"
predump 1 --pre-dump-mode "$mode"
is "tracker" "$(round_of 1 tracker)" "$tracker"
is "hot pages of the first pre-dump" "$(round_of 1 hot)" -
pages_round
predump 2 --pre-dump-mode "$mode" --prev-images-dir ../1
expect_redumped 2
case $mode in
splice) is "infections" "$(infected 1) $(infected 2)" "1 1" ;;
# What is read from outside needs none, and it is most of what a small task is stopped for.
read) is "infections" "$(infected 1) $(infected 2)" "0 0" ;;
esac
case $tracker in
deactivate) expect_used 2 0 ;;
# What criu reads looks used: all of it in the first pre-dump, which tells nothing then.
*) is "hot pages of the second pre-dump" "$(round_of 2 hot)" - ;;
esac
before=$dirtied dirtied=0
pages_round
dump 3 --track-mem --prev-images-dir ../2
expect_redumped 3
case $tracker in
deactivate) expect_used 3 0 ;;
rwp) expect_used 3 "$before" ;;
wp) is "hot pages of the dump" "$(round_of 3 hot)" - ;;
esac
kill -0 "$pid" 2>/dev/null && fail "still alive after the dump"
restore 3
pages_verify
