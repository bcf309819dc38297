# SPDX-License-Identifier: GPL-2.0-only
# Helpers of the end-to-end tests, which run as root in the guest. A test is a
# script that sources this file, and whose exit status is 0: passed, 1: failed,
# 77: skipped, the last line of output being the reason.
#
# Each gets its own empty directory as working directory, on a tmpfs; processes it
# leaves behind are killed by test/e2e/run.
set -euo pipefail

fail()
{
	echo "$*"
	exit 1
}

skip()
{
	echo "$*"
	exit 77
}

# Says what is compared when it fails: is WHAT GOT EXPECTED
is()
{
	[ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"
}

# Integer conditions: holds WHAT A -le B
holds()
{
	[ "$2" "$3" "$4" ] || fail "$1: $2 $3 $4 does not hold"
}

# Runs a command that must succeed; its output is shown only if it does not.
must()
{
	local out
	out=$("$@" 2>&1) || fail "failed with $?: $*
$out"
}

# Runs a command that must fail; sets $out to what it printed.
must_fail()
{
	if out=$("$@" 2>&1); then
		fail "succeeded, and should not have: $*"
	fi
}

# A field of the dump statistics: stat_of DIR FIELD
stat_of()
{
	crit show "$1/stats-dump" | python3 -c '
import json, sys
print(json.load(sys.stdin)["entries"][0]["dump"].get(sys.argv[1], 0))' "$2"
}

# A field of the only task in a rounds file: round_of DIR FIELD
round_of()
{
	frazil status --json --images "$1" | python3 -c '
import json, sys
print(json.load(sys.stdin)[0].get(sys.argv[1], "-"))' "$2"
}

# Tries a command every tenth of a second until it succeeds, TRIES times at the most;
# the caller looks whether it did: poll TRIES COMMAND...
poll()
{
	local _
	for _ in $(seq "$1"); do
		"${@:2}" && break
		sleep 0.1
	done
}

# --- the page-pattern verifier, test/e2e/pages.c

# Starts it with the options given; sets $pid and $report. Prefix with the words in
# $as to run it as somebody else.
as=()
children=0
pages_start()
{
	report=$PWD/report
	: >"$report"
	chmod 666 "$report"
	cp "$BIN/pages" ./pages
	chmod 755 ./pages
	pid=$("${as[@]}" ./pages --report "$report" --detach "$@")
	answers=1
	children=$(grep -c -e '^--child$' <(printf '%s\n' "$@") || :)
}

# Sends a signal and waits for the answer, which it sets $answer to.
pages_ask()
{
	kill -s "$1" "$pid" || fail "the task is gone"
	pages_wait
}

pages_wait()
{
	local i

	answers=$((answers + 1))
	for i in $(seq 600); do
		[ "$(wc -l <"$report")" -ge "$answers" ] && break
		sleep 0.1
	done
	answer=$(sed -n "${answers}p" "$report")
	[ -n "$answer" ] || fail "no answer from the verifier"
}

# One round of writing and reading; adds what was dirtied to $dirtied.
dirtied=0
pages_round()
{
	pages_ask USR1
	[[ $answer =~ ^round\ ([0-9]+)\ wrote\ ([0-9]+)\ read\ ([0-9]+)\ table\ ([0-9]+) ]] || fail "unexpected: $answer"
	generation=${BASH_REMATCH[1]}
	wrote=${BASH_REMATCH[2]}
	read_pages=${BASH_REMATCH[3]}
	table=${BASH_REMATCH[4]}
	dirtied=$((dirtied + wrote + table))
}

# The child of --child answers too, after its parent, and stays at generation 0.
pages_verify()
{
	pages_ask USR2
	[[ $answer == "verify ${generation:-0} ok "* ]] || fail "$answer"
	[ "$children" = 0 ] && return
	pages_wait
	[[ $answer == "child verify 0 ok "* ]] || fail "$answer"
}

# --- process trees and unusual memory, test/e2e/shapes

# Starts it with the areas and options given, as $as; sets $pid and $report. Another
# SEED has it write other pages and do other things to mappings.
shapes_start()
{
	report=$PWD/report
	: >"$report"
	chmod 666 "$report"
	cp "$BIN/shapes" ./shapes
	chmod 755 ./shapes
	pid=$("${as[@]}" ./shapes --report "$report" --detach --seed "${SEED:-1}" --areas "$@") || fail "$(cat "$report")"
	answers=1
	generation=0
}

# One round of changes; sets $wrote and $other, pages that a dump must and may hold.
shapes_round()
{
	pages_ask USR1
	[[ $answer =~ ^round\ ([0-9]+)\ wrote\ ([0-9]+)\ other\ ([0-9]+)\ processes\ ([0-9]+)$ ]] ||
		fail "unexpected: $answer"
	generation=$((generation + 1))
	is "round" "${BASH_REMATCH[1]}" "$generation"
	wrote=${BASH_REMATCH[2]}
	other=${BASH_REMATCH[3]}
	processes=${BASH_REMATCH[4]}
}

shapes_verify()
{
	pages_ask USR2
	[[ $answer == "verify $generation ok "* ]] || fail "$answer"
}

# Remembers what the images in DIR must and may hold after the last round; stack, data
# and heap of each process are not counted by it.
shapes_expect()
{
	expected+=("$1 $wrote $other $processes")
}

# The images hold what was written, and not much more. Looked at all at once, because
# crit takes longer than a dump. Stock CRIU dumps whole huge pages, and new mappings.
shapes_bounds()
{
	local line looked=0
	while read -r line; do
		looked=$((looked + 1))
		# shellcheck disable=SC2086
		set -- $line
		holds "pages in $1, of which $3 were written" "$2" -ge "$3"
		[ "${CRIU:-criu}" = criu ] || continue
		holds "pages in $1, of $3 that were written and $4 others" "$2" -le $(($3 + $4 + 100 * $5))
	done < <(printf '%s\n' "${expected[@]}" | python3 -c '
import sys, pycriu
for line in sys.stdin:
    where, rest = line.split(" ", 1)
    with open(where + "/stats-dump", "rb") as f:
        dump = pycriu.images.load(f)["entries"][0]["dump"]
    print(where, dump["pages_written"], rest, end="")')
	is "images looked at" $looked ${#expected[@]}
}

# A pre-dump in each MODE with a round of changes after it, a dump on top of them, a
# restore, and a round after that: shapes_chain MODE...
shapes_chain()
{
	local mode number=0 options=()
	expected=()
	for mode in "$@"; do
		number=$((number + 1))
		predump $number --pre-dump-mode "$mode" "${options[@]}" "${criu_options[@]}"
		[ $number = 1 ] || shapes_expect $number
		options=(--prev-images-dir ../$number)
		shapes_round
	done
	number=$((number + 1))
	dump $number --track-mem "${options[@]}" "${criu_options[@]}"
	shapes_expect $number
	restore $number "${criu_options[@]}"
	shapes_verify
	shapes_bounds
	shapes_round
	shapes_verify
}
criu_options=()

# Not by name: some have another.
shapes_kill()
{
	local pids
	while pids=$(pidof shapes); do
		# shellcheck disable=SC2086
		kill -KILL $pids 2>/dev/null || :
		sleep 0.1
	done
}

# The tasks went on after the live dump into DIR; then the images are restored, and have
# what there was at the time of the dump: shapes_after_live DIR
shapes_after_live()
{
	local generation_then=$generation
	shapes_verify
	shapes_round
	shapes_verify
	shapes_kill
	generation=$generation_then
	restore "$1"
	shapes_verify
	shapes_round
	shapes_verify
	shapes_kill
}

# --- a mapping of each kind that only their flags tell apart, test/e2e/advice.c

# advice_start KIND: with one of KIND; sets $pid, and $helper to the other process's
advice_start()
{
	rm -f report
	# On one CPU, because restartable sequences note in memory which one it is.
	setsid taskset -c 0 "$BIN/advice" "$PWD/report" "$1" </dev/null >/dev/null 2>&1 &
	poll 100 test -s report
	read -r pid helper <report || fail "it did not start"
}

# --- memory that is only right as of one instant, test/e2e/bank.c

# Starts it with the options given; sets $pid and $report.
bank_start()
{
	report=$PWD/report
	: >"$report"
	"$BIN/bank" --report "$report" "$@" </dev/null >/dev/null 2>&1 &
	poll 600 test -s "$report"
	pid=$(cat "$report")
	answers=1
}

# Everything adds up. Sets $transfers, and $accounts that are there.
bank_verify()
{
	pages_ask USR2
	[[ $answer =~ ^ok\ ([0-9]+)\ ([0-9]+)$ ]] || fail "$answer"
	transfers=${BASH_REMATCH[1]}
	accounts=${BASH_REMATCH[2]}
}

# Of the first task in the rounds file of a live dump: live_of DIR FIELD
live_of()
{
	frazil status --json --images "$1" | python3 -c '
import json, sys
print([e["live"] for e in json.load(sys.stdin) if "live" in e][0][sys.argv[1]])' "$2"
}

# An action script that runs a shell command when all tasks are stopped: at_frozen FILE COMMAND
at_frozen()
{
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != frozen ] || %s\n' "$2" >"$1"
	chmod +x "$1"
}

# Whether the code of a task is that of its program: code is what is injected over.
code_is_intact()
{
	python3 - "$1" <<'EOF'
import sys
pid = sys.argv[1]
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem, open(f"/proc/{pid}/exe", "rb") as exe:
    start, offset = next((line.split()[0], int(line.split()[2], 16)) for line in maps if " r-xp " in line)
    start, end = (int(n, 16) for n in start.split("-"))
    mem.seek(start)
    exe.seek(offset)
    found, expected = mem.read(end - start), exe.read(end - start)
    # The last page may go on in memory where the file ends.
    sys.exit(found[:len(expected)] != expected)
EOF
}

# What must not differ after a task was frozen: its descriptors and mappings.
shape_of()
{
	ls -l "/proc/$1/fd" | awk '{ print $9, $10, $11 }'
	awk '{ print $1, $2, $6 }' "/proc/$1/maps"
}

# --- criu, with logs that a failure shows

criu_run()
{
	local bin=$1 dir=$3
	shift
	mkdir -p "$dir"
	if ! "$bin" "$1" -D "$dir" -v4 -o "$1.log" "${@:3}" >"$dir/$1.out" 2>&1; then
		cat "$dir/$1.out"
		grep -E 'Error|Warn' "$dir/$1.log" | tail -n 20
		return 1
	fi
}

# CRIU=criu-stock predump DIR [OPTIONS]
predump()
{
	criu_run "${CRIU:-criu}" pre-dump "$1" -t "$pid" "${@:2}" || fail "pre-dump into $1 failed"
}

dump()
{
	criu_run "${CRIU:-criu}" dump "$1" -t "$pid" "${@:2}" || fail "dump into $1 failed"
}

restore()
{
	criu_run "${CRIU:-criu}" restore "$1" -d "${@:2}" || fail "restore from $1 failed"
}

# Starts the daemon of a lazy restore of DIR, and sets $daemon: lazy_pages DIR [OPTIONS]
lazy_pages()
{
	local i
	"${CRIU:-criu}" lazy-pages -D "$1" -v4 -o lazy-pages.log "${@:2}" >"$1/lazy-pages.out" 2>&1 &
	daemon=$!
	for i in $(seq 100); do
		# A socket has a name before it takes connections; see proc(5) for the flag.
		[ -S "$1/lazy-pages.socket" ] && grep -q " 00010000 .*lazy-pages.socket$" /proc/net/unix && return
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.1
	done
	fail "lazy-pages does not listen: $(tail -n 5 "$1/lazy-pages.log")"
}

# Starts a page server that puts what it gets in DIR, and sets $server: page_server DIR PORT [OPTIONS]
page_server()
{
	criu page-server -D "$1" --port "$2" -v4 -o page-server.log "${@:3}" >"$1/page-server.out" 2>&1 &
	server=$!
	# 0A: it listens; see proc(5)
	poll 100 grep -q "$(printf ':%04X .* 0A ' "$2")" /proc/net/tcp
}

# Whether the task has no children, known to it or not.
has_no_children()
{
	[ -z "$(cat "/proc/$pid/task/$pid/children")" ]
}

# Ends the task, for its pid to be free again.
kill_task()
{
	kill -KILL "$pid"
	while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}

# What the log of a command says of Frazil, without the time stamps
log_has()
{
	grep -qF "$2" "$1" || fail "$1 does not say: $2
$(grep frazil: "$1" | tail -n 5)"
}
