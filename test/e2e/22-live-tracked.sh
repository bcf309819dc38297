# A freezer that was asked for ends tracking. The kernel then makes one of mappings that it kept
# apart as long as only one of them was tracked: no dump fails because of that. Fault 140: flags of
# mappings are read then, and not before.
. "$(dirname "$0")/lib.sh"
mappings() { wc -l <"/proc/$pid/maps"; }
has_more() { [ "$(mappings)" -gt "$before" ]; }

for freezer in ${FREEZERS:-deactivate fork wp}; do
	advice_start neighbour
	predump "$freezer-1"
	before=$(mappings)
	kill -USR1 "$pid"
	poll 50 has_more
	is "mappings" "$(mappings)" $((before + 1))
	CRIU_FAULT=140 FRAZIL_FREEZE=$freezer dump "$freezer-2" --leave-running
	is "freezer" "$(live_of "$freezer-2" freezer)" "$freezer"
	CRIU=criu-stock dump "$freezer-stock" --leave-running
	[ $freezer = fork ] || is "mappings after $freezer" "$(mappings)" "$before"
	kill_task
	restore "$freezer-2"
	kill_task
done
