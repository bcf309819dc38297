# Where breakpoints can be set and never trigger, as in some virtual machines, criu does not wait
# for one: neither in a pre-dump, nor in a dump, nor in a restore.
. "$(dirname "$0")/lib.sh"

# Without a limit it would wait for good.
unbroken() { must env LD_PRELOAD="$BIN/nobreak.so" timeout -k 5 100 "$@"; }

bank_start --mib 8
mkdir pre dump
unbroken criu pre-dump -D pre -t "$pid" -v4 -o log
unbroken criu dump -D dump --prev-images-dir ../pre -t "$pid" -v4 -o log
log_has dump/log "Breakpoints don't trigger on this machine"
unbroken criu restore -D dump -d -v4 -o restore.log
log_has dump/restore.log "Force no-breakpoints restore"
bank_verify
