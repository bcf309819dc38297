# A task that runs another program between two rounds, or before the last dump, is dumped as
# a whole.
. "$(dirname "$0")/lib.sh"
cat >exec.sh <<'EOF'
#!/bin/bash
exec </dev/null >/dev/null 2>&1
for i in 1 2 3 4 5 6 7 8 9; do x+=$(head -c 65536 /proc/self/exe | base64 2>/dev/null); done
while [ ! -e go ]; do sleep 0.1; done
exec ./pages --report "$PWD/report" --mib 8
EOF
cp "$BIN/pages" .
report=$PWD/report

# Sets $pid, of a task that will be another program soon, and is pre-dumped into DIR.
exec_after()
{
	rm -f go
	: >"$report"
	setsid bash ./exec.sh &
	pid=$!
	sleep 1
	predump "$1"
	touch go
	poll 100 grep -q ready "$report"
	answers=1
	generation=0
	pages_round
}

exec_after 1
predump 2 --prev-images-dir ../1
is "hot" "$(round_of 2 hot)" -
pages_round
dump 3 --track-mem --prev-images-dir ../2
restore 3
pages_verify
kill_task

exec_after last-1
dump last-2 --track-mem --prev-images-dir ../last-1
log_has last-2/dump.log "runs another program now"
is "pages left to the parent" "$(stat_of last-2 pages_skipped_parent)" 0
restore last-2
pages_verify
