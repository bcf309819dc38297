# A child shares its memory copy-on-write with a tracked parent, before and after the
# parent is armed: both read and write what is theirs.
. "$(dirname "$0")/lib.sh"
pages_start --mib 32 --write-percent 10 --read-percent 10 --child
predump 1
pages_round
pages_verify
predump 2 --prev-images-dir ../1
pages_round
dump 3 --track-mem --prev-images-dir ../2
restore 3
pages_verify
