# Stock CRIU restores what Frazil dumped.
. "$(dirname "$0")/lib.sh"
pages_start --mib 32 --write-percent 10 --read-percent 10
predump 1
pages_round
predump 2 --prev-images-dir ../1
pages_round
dump 3 --track-mem --prev-images-dir ../2
[ -e 3/frazil.rounds ] || fail "not dumped with Frazil"
crit decode -i "3/pagemap-$pid.img" >/dev/null
CRIU=criu-stock restore 3
pages_verify
# And what is restored can be tracked anew.
predump 4
pages_round
dump 5 --track-mem --prev-images-dir ../4
restore 5
pages_verify
