# Without plugins our criu makes the same images as stock: the same files, the same
# entries, the same pages.
. "$(dirname "$0")/lib.sh"
export CRIU_LIBS_DIR=$PWD/none
mkdir none
pages_start --mib 16 --write-percent 10 --child
pages_round

# Entries without what differs between any two dumps: times, inode numbers of the
# images, ids of sockets.
decoded()
{
	local f
	for f in "$1"/*.img; do
		echo "== ${f##*/}"
		case ${f##*/} in
		pages-*) sha256sum <"$f" ;;
		*) crit decode -i "$f" | sed -E '/"(dump_uptime|dump_criu_run_id|utime|stime|start_time|.*_sec|.*_usec|.*_nsec|lsm_profile|sas_ss_sp|timestamp)"/d' ;;
		esac
	done
}

# The task is left stopped, so that both see the same.
kill -STOP "$pid"
for who in criu-stock criu; do
	CRIU=$who dump "full-$who" --leave-stopped
done
decoded full-criu-stock >stock
decoded full-criu >ours
diff stock ours >difference || fail "full dumps differ:
$(head -n 40 difference)"
is "files" "$(ls full-criu-stock | grep -v -e log -e out)" "$(ls full-criu | grep -v -e log -e out)"
kill -CONT "$pid"

# Pre-dump and dump on top of it, one chain each; the task does the same in between.
for who in criu-stock criu; do
	CRIU=$who predump "pre-$who"
	CRIU=$who dump "top-$who" --track-mem --leave-running --prev-images-dir "../pre-$who"
done
is "files of pre-dumps" "$(ls pre-criu-stock | grep -v -e log -e out)" "$(ls pre-criu | grep -v -e log -e out)"
for what in pre top; do
	for who in criu-stock criu; do
		crit decode -i "$what-$who/pagemap-$pid.img" | sed -E '/pages_id/d' >"$what-$who.pagemap"
	done
done
diff pre-criu-stock.pagemap pre-criu.pagemap >difference || fail "pre-dumps differ: $(head -n 20 difference)"
diff top-criu-stock.pagemap top-criu.pagemap >difference || fail "dumps differ: $(head -n 20 difference)"
kill -KILL "$pid" "$(pgrep -P "$pid")"
while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
restore top-criu
pages_verify
