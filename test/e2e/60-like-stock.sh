# Without plugins our criu makes the same images as stock: the same files, the same
# entries, the same pages; of a dump, of a pre-dump, and of a dump on top of it.
. "$(dirname "$0")/lib.sh"
export CRIU_LIBS_DIR=$PWD/none
mkdir none
same() { must python3 "$(dirname "$0")/imgdiff.py" "$@"; }
# On one CPU, because restartable sequences note in memory which one it is.
as=(taskset -c 0)
pages_start --mib 16 --write-percent 10
pages_round

for who in criu-stock criu; do
	CRIU=$who dump "full-$who" --leave-running
done
CRIU=criu-stock dump full-again --leave-running
same full-criu-stock full-criu full-again

for who in criu-stock criu; do
	CRIU=$who predump "pre-$who"
	CRIU=$who dump "top-$who" --track-mem --leave-running --prev-images-dir "../pre-$who"
done
same pre-criu-stock pre-criu full-again
same top-criu-stock top-criu full-again

# The comparison finds a page and an entry that differ.
cp -a full-criu damaged
printf 'x' | dd of=damaged/pages-1.img bs=1 seek=1000000 conv=notrunc 2>/dev/null
must_fail python3 "$(dirname "$0")/imgdiff.py" full-criu damaged
[[ $out == "pages-1.img: 1 bytes differ" ]] || fail "$out"
cp full-criu/pages-1.img damaged/
cp "top-criu/pagemap-$pid.img" damaged/
must_fail python3 "$(dirname "$0")/imgdiff.py" full-criu damaged
[[ $out == "pagemap-$pid.img: "* ]] || fail "$out"

kill_task
restore top-criu
pages_verify
