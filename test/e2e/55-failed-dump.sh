# A dump that fails after the task was asked takes nothing away: repeated, it is as
# small and as right as it would have been.
. "$(dirname "$0")/lib.sh"
mkdir small
mount -t tmpfs -o size=1m tmpfs small
trap 'umount -l small' EXIT
pages_start --mib 16 --write-percent 10
predump 1
pages_round
# No room: it fails while pages are written.
must_fail criu dump -t "$pid" -D small --track-mem --prev-images-dir ../1 -v4 -o "$PWD/failed.log"
log_has failed.log "mappings tracked"
kill -0 "$pid" || fail "the task is gone"
# The administrator's script says no: the images are whole, and the task runs on.
cat >no.sh <<'EOF'
#!/bin/sh
[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ]
EOF
chmod 755 no.sh
mkdir 2
must_fail criu dump -t "$pid" -D 2 --track-mem --prev-images-dir ../1 -v4 -o log --action-script "$PWD/no.sh"
log_has 2/log "mappings tracked"
kill -0 "$pid" || fail "the task is gone"
pages_verify
dump 3 --track-mem --prev-images-dir ../1
holds "pages dumped" "$(stat_of 3 pages_written)" -ge $((wrote + table))
holds "pages dumped" "$(stat_of 3 pages_written)" -le $((wrote + table + 200))
restore 3
pages_verify
