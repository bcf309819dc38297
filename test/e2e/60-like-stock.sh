# Without plugins our criu makes the same images as stock: the same files, the same
# entries, the same pages.
. "$(dirname "$0")/lib.sh"
export CRIU_LIBS_DIR=$PWD/none
mkdir none
# On one CPU, because restartable sequences note in memory which one it is.
as=(taskset -c 0)
pages_start --mib 16 --write-percent 10
pages_round

# Entries without what differs between any two dumps of a task that runs on, with
# the same criu too: times, ids of the run, and a register the emulator lacks.
decoded()
{
	local f
	for f in "$1"/*.img; do
		echo "== ${f##*/}"
		case ${f##*/} in
		pages-*) stat -c %s "$f" ;;
		*) crit decode --pretty -i "$f" ;;
		esac
	done | python3 -c '
import re, sys
text = sys.stdin.read()
text = re.sub(r"\"pkru\": \[[^]]*\]", "", text)
volatile = "dump_uptime|dump_criu_run_id|[us]time|start_time|i?v?u?sec|(tv_)?n?sec"
print(re.sub(rf"^ *\"({volatile})\".*\n", "", text, flags=re.M), end="")'
}

# same A B: two image directories hold the same
same()
{
	is "files of $2" "$(cd "$2" && echo *.img)" "$(cd "$1" && echo *.img)"
	decoded "$1" >one
	decoded "$2" >two
	diff one two >difference || fail "$1 and $2 differ:
$(head -n 20 difference | cut -c 1-200)"
}

# same_pages A B C: the page contents of C are those of B, but for bytes in which A
# and B differ: two dumps by one criu do, in a word on the stack.
same_pages()
{
	python3 - "$1/pages-1.img" "$2/pages-1.img" "$3/pages-1.img" <<'EOF'
import sys
PAGE = 4096
a, b, c = (open(path, "rb").read() for path in sys.argv[1:])
bad = noise = 0
for at in range(0, len(c), PAGE):
    x, y, z = (image[at:at + PAGE] for image in (a, b, c))
    noise += sum(i != j for i, j in zip(x, y)) if x != y else 0
    bad += sum(j != k and i == j for i, j, k in zip(x, y, z)) if y != z else 0
if len(b) != len(c) or bad or noise > 64:
    sys.exit(f"page contents differ in {bad} bytes; {noise} differ anyway")
EOF
}

for who in criu-stock criu; do
	CRIU=$who dump "full-$who" --leave-running
done
CRIU=criu-stock dump full-again --leave-running
same full-criu-stock full-criu
same_pages full-criu-stock full-again full-criu

# Pre-dump and dump on top of it, one chain each.
for who in criu-stock criu; do
	CRIU=$who predump "pre-$who"
	CRIU=$who dump "top-$who" --track-mem --leave-running --prev-images-dir "../pre-$who"
done
same pre-criu-stock pre-criu
same top-criu-stock top-criu
kill -KILL "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
restore top-criu
pages_verify
