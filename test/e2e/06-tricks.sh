# A task plays tricks with its memory between pre-dumps, and during a live dump: what it writes then
# looks as if nobody wrote it, and is not missed.
. "$(dirname "$0")/lib.sh"

# tricks_start MIB TRICK [BEFORE]
tricks_start()
{
	report=$PWD/report
	: >"$report"
	setsid "$BIN/tricks" "$report" "$@" </dev/null >/dev/null 2>&1 &
	poll 100 test -s "$report"
	pid=$(head -n 1 "$report")
	answers=1 generation=0
}

tricks_write()
{
	pages_ask USR1
	generation=$((generation + 1))
	is "write" "$answer" "wrote $generation"
}

# tricks_verify WHAT [GENERATION]
tricks_verify()
{
	pages_ask USR2
	is "memory $1" "$answer" "ok ${2:-$generation}"
}

at_frozen write 'kill -USR1 "$CRTOOLS_INIT_PID"'

for trick in merge merge-empty replace; do
	mkdir $trick
	cd $trick

	tricks_start 4 $trick
	predump 1
	tricks_write
	predump 2 --prev-images-dir ../1
	tricks_write
	predump 3 --prev-images-dir ../2
	holds "pages dumped again, of 1024 that were written" "$(stat_of 3 pages_written)" -ge 1024
	tricks_write
	dump 4 --track-mem --prev-images-dir ../3
	restore 4
	tricks_verify "that was dumped, with $trick"
	kill_task

	# A round that was killed when it began to track what is merged, and one that was not after it.
	if [ $trick = merge ]; then
		tricks_start 4 $trick
		predump 5
		tricks_write
		mkdir 6
		rc=0
		LD_PRELOAD=$BIN/killed.so KILL_NR=1 KILL_AT="is armed anew" criu pre-dump -t "$pid" -D 6 \
			--prev-images-dir ../5 -v4 -o log >6/out 2>&1 || rc=$?
		# Where the kernel leaves no such marks (6.12, 7.3) there is nothing to be done anew.
		[ $rc = 0 ] || is "status of criu" $rc $((128 + $(kill -l KILL)))
		predump 7 --prev-images-dir ../$([ $rc = 0 ] && echo 6 || echo 5)
		tricks_write
		predump 8 --prev-images-dir ../7
		holds "pages dumped again, of 1024 that were written" "$(stat_of 8 pages_written)" -ge 1024
		kill_task
	fi

	for freezer in ${FREEZERS:-deactivate fork wp}; do
		tricks_start 1 $trick 64
		mkdir $freezer
		rc=0
		FRAZIL_FREEZE=$freezer criu dump -D $freezer -t "$pid" --leave-running -v4 -o dump.log \
			--action-script "$PWD/../write" >dump.out 2>&1 || rc=$?
		pages_wait
		tricks_verify "of the task that went on, with $trick and $freezer" 1
		kill_task
		if [ $rc = 0 ]; then
			# With the others all was read before the task got to it.
			restore $freezer
			tricks_verify "as it was, with $trick and $freezer" 0
			kill_task
		else
			[ $freezer != fork ] || fail "fork fails: $(cat dump.out)"
			log_has $freezer/dump.log "was unmapped, moved or discarded before it was saved"
		fi
	done
	cd ..
done
