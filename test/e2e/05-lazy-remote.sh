# A task is restored lazily, from another host that has become slow. Meanwhile it cannot be dumped, as images
# would lack what is not there yet. A thread that wants a page while another one discards memory gets its
# page. And what is discarded of what was asked for does not keep the rest from coming, nor does what a child
# does not have of it.
. "$(dirname "$0")/lib.sh"

says() { [ "$(cat gate 2>/dev/null)" = "$1" ]; }
has() { [ "$(tail -n 1 report)" = "$1" ]; }
ended() { ! kill -0 "$1" 2>/dev/null; }

: >report
setsid "$BIN/later" "$PWD/report" 16 </dev/null >/dev/null 2>&1 &
poll 100 test -s report
pid=$(<report)
dump images

page_server images 27015 --lazy-pages --address 127.0.0.1
python3 "$(dirname "$0")/gate.py" 27016 27015 $((4 << 20)) gate >gate.out 2>&1 &
gate=$!
poll 100 says open
lazy_pages images --page-server --address 127.0.0.1 --port 27016
restore images --lazy-pages
poll 300 says closed
says closed || fail "all of it came at once"

for freezer in ${FREEZERS:-deactivate fork wp} none; do
	mkdir live-$freezer
	FRAZIL_FREEZE=$freezer must_fail criu dump -D live-$freezer -t "$pid" --leave-running -v4 -o dump.log
	log_has live-$freezer/dump.log "Is this task being restored lazily?"
	[ ! -e live-$freezer/inventory.img ] || fail "an inventory was written"
done

kill -STOP "$daemon"
kill -HUP "$pid"
sleep 1
kill -CONT "$daemon"
poll 100 has touched
has touched || fail "a thread waits for good: $(tail -n 1 report)"

kill -USR1 "$pid"
poll 300 has discarded
has discarded || fail "discarding memory takes for ever"
says closed || fail "the gate opened by itself"
kill -USR1 "$gate"
kill -USR2 "$pid"
poll 600 has ok
has ok || fail "its memory: $(tail -n 1 report)"
poll 300 ended "$daemon"
ended "$daemon" || fail "lazy-pages does not end"
wait "$daemon" || fail "lazy-pages: $(tail -n 5 images/lazy-pages.log)"
dump again --leave-running
kill_task

# --auto-dedup, from local images: what had to wait, because its mapping was cut, is read once more, and has to
# be in the images still.
echo "$pid" >report
lazy_pages images --auto-dedup
restore images --lazy-pages --auto-dedup
kill -USR1 "$pid"
poll 300 has discarded
kill -USR2 "$pid"
poll 300 has ok
has ok || fail "its memory, with --auto-dedup: $(tail -n 1 report)"
kill_task
wait "$daemon"
