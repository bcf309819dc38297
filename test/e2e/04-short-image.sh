# A pages image that lost its end is not restored, with and without parent images; and that is said.
. "$(dirname "$0")/lib.sh"

pages_start --mib 8 --write-percent 20 --read-percent 20
predump 1
pages_round
dump 2 --prev-images-dir ../1 --track-mem --leave-running
kill_task
lacks_end()
{
	cp "$1" whole
	# Half of it: the last pages may be of no use, as a parent image's whose pages were dumped again.
	truncate -s $(($(stat -c %s "$1") / 2)) "$1"
	must_fail timeout 60 criu restore -D 2 -d -v4 -o short.log
	log_has 2/short.log "The pages image ends"
	! kill -0 "$pid" 2>/dev/null || fail "there is a task"
	cp whole "$1"
}
lacks_end 1/pages-1.img
lacks_end 2/pages-1.img
restore 2
pages_verify
kill_task

pages_start --mib 8 --write-percent 20 --read-percent 20
dump 2
lacks_end 2/pages-1.img
restore 2
generation=0
pages_verify
kill_task
