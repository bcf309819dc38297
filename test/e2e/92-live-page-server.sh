# A live dump of a tree of processes whose memory goes to a page server: each gets its own
# transfer there, after the tasks run on.
. "$(dirname "$0")/lib.sh"
for freezer in ${FREEZERS:-deactivate fork wp}; do
	shapes_start anon,shared --children
	mkdir $freezer
	page_server $freezer 1234
	FRAZIL_FREEZE=$freezer dump $freezer --leave-running --page-server --address 127.0.0.1 --port 1234
	wait $server || fail "the page server failed: $(tail -n 3 $freezer/page-server.log)"
	shapes_after_live $freezer
done
