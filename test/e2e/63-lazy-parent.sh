# Cold pages that did not change stay in the parent images and are restored lazily from
# there, through a chain of three; a stock CRIU restores the same images eagerly.
. "$(dirname "$0")/lib.sh"

# How many pages have exactly these flags: pages_with DIR FLAGS
pages_with()
{
	crit show "$1/pagemap-$pid.img" | python3 -c '
import json, sys
print(sum(e["nr_pages"] for e in json.load(sys.stdin)["entries"] if e.get("flags") == sys.argv[1]))' "$2"
}

# lazy_restore DIR [OPTIONS OF THE DAEMON]: the task runs, its cold pages follow
lazy_restore()
{
	lazy_pages "$@"
	restore "$1" --lazy-pages
}

# Every page was delivered, and the daemon ends by itself.
daemon_ends()
{
	local i
	for i in $(seq 300); do kill -0 "$daemon" 2>/dev/null || break; sleep 0.1; done
	kill -0 "$daemon" 2>/dev/null && fail "lazy-pages does not end: $(tail -n 3 "$1/lazy-pages.log")"
	wait "$daemon" || fail "lazy-pages failed: $(grep Error "$1/lazy-pages.log" | tail -n 3)"
}

pages_start --mib 24 --write-percent 20 --read-percent 10 --hole-every 13
predump 1
pages_round
predump 2 --prev-images-dir ../1
pages_round
dump 3 --track-mem --prev-images-dir ../2
# Nobody restores a pre-dump. Its holes are one kind, as many entries as there have to be.
is "lazy holes of a pre-dump" "$(pages_with 2 "PE_PARENT | PE_LAZY")" 0
cold=$(pages_with 3 "PE_PARENT | PE_LAZY")
# Short stretches of cold pages between hot ones are eager.
holds "lazy holes" "$cold" -le "$(round_of 3 cold)"
holds "lazy holes, times 2" $((cold * 2)) -ge "$(round_of 3 cold)"
holds "eager holes, of the $read_pages pages that were only read" "$(pages_with 3 PE_PARENT)" -ge "$read_pages"

# Page by page, as the task comes to them, ...
lazy_restore 3
pages_verify
daemon_ends 3
kill_task
# ... in the background ...
lazy_restore 3
daemon_ends 3
pages_verify
pages_round
pages_verify
kill_task
# ... with the topmost images behind a page server ...
page_server 3 2727 --lazy-pages
generation=2
lazy_restore 3 --page-server --address 127.0.0.1 --port 2727
pages_verify
daemon_ends 3
wait "$server" || fail "page-server: $(tail -n 3 3/page-server.log)"
kill_task
# ... and eagerly, by a stock CRIU.
CRIU=criu-stock restore 3
pages_verify

# Through a page server the flags come out the same.
predump 4
pages_round
mkdir 5
ln -s ../4 5/parent
page_server 5 2728
dump 5 --track-mem --prev-images-dir ../4 --page-server --address 127.0.0.1 --port 2728
wait "$server" || fail "page-server: $(tail -n 3 5/page-server.log)"
cold=$(pages_with 5 "PE_PARENT | PE_LAZY")
holds "lazy holes that came through a page server" "$cold" -le "$(round_of 5 cold)"
holds "lazy holes that came through a page server, times 2" $((cold * 2)) -ge "$(round_of 5 cold)"
lazy_restore 5
pages_verify
daemon_ends 5
