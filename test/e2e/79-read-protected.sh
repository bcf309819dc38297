# Memory that a task takes its own rights to while a pre-dump reads it: it is in the images
# nevertheless, and so what is not written from then on may be left to them.
. "$(dirname "$0")/lib.sh"

shapes_start protnone,anon
# The half that could be read when the task was stopped is PROT_NONE after this round.
export AT_READ="kill -USR1 $pid && timeout 60 sh -c 'until grep -q ^round $report; do sleep 0.1; done'"
(LD_PRELOAD=$BIN/running.so predump 1 --pre-dump-mode read)
grep -q '^round 1 ' report || fail "no round was made while criu read"
generation=1
answers=2
# And it can be read again after this one.
shapes_round
predump 2 --pre-dump-mode read --prev-images-dir ../1
shapes_round
dump 3 --track-mem --prev-images-dir ../2
restore 3
shapes_verify
shapes_round
shapes_verify
