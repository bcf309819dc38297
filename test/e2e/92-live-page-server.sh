# A live dump of a tree of processes whose memory goes to a page server: each gets its own
# transfer there, after the tasks run on.
. "$(dirname "$0")/lib.sh"
for freezer in ${FREEZERS:-deactivate fork wp}; do
	shapes_start anon,shared --children
	mkdir $freezer
	criu page-server -D $freezer --port 1234 -v4 -o page-server.log >out 2>&1 &
	server=$!
	poll 100 grep -q ":04D2 .* 0A " /proc/net/tcp
	FRAZIL_FREEZE=$freezer dump $freezer --leave-running --page-server --address 127.0.0.1 --port 1234
	wait $server || fail "the page server failed: $(tail -n 3 $freezer/page-server.log)"
	shapes_after_live $freezer
done
