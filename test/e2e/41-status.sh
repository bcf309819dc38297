# frazil status tells what was written and used since the round was armed.
. "$(dirname "$0")/lib.sh"
is "tracked at first" "$(frazil status --json | tr -d '\n ')" "[]"
pages_start --mib 32 --write-percent 10 --read-percent 20
predump 1
pages_round
field() { frazil status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0][sys.argv[1]])' "$1"; }
is "pid" "$(field pid)" "$pid"
holds "written" "$(field written)" -ge $((wrote + table))
holds "written" "$(field written)" -le $((wrote + table + 30))
holds "hot" "$(field hot)" -ge $((wrote + table + read_pages))
holds "hot" "$(field hot)" -le $((wrote + table + read_pages + 60))
is "hot + cold" $(($(field hot) + $(field cold))) "$(field pages)"
# Looking changes nothing.
is "written, again" "$(field written)" "$(field written)"
frazil status | grep -qE "^ +$pid +pages +deactivate " || fail "$(frazil status)"
kill -TERM "$pid"
for _ in $(seq 50); do
	[ "$(frazil status --json | tr -d '\n ')" = "[]" ] && break
	sleep 0.1
done
is "tracked after its end" "$(frazil status --json | tr -d '\n ')" "[]"
