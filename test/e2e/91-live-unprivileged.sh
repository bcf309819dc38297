# criu without root: live dumps by fork, which needs no userfaultfd; what needs one, asked for
# by name, is refused. Nothing tracks memory, and so dumps on top of pre-dumps have all of it.
. "$(dirname "$0")/lib.sh"
chmod 777 .
as=(setpriv --reuid 1000 --regid 1000 --clear-groups)
cat >unprivileged <<SH
#!/bin/sh
action=\$1
shift
exec ${as[*]} --inh-caps +checkpoint_restore --ambient-caps +checkpoint_restore criu "\$action" --unprivileged "\$@"
SH
chmod +x unprivileged
export CRIU=./unprivileged
empty() { rm -rf "$1" && mkdir "$1" && chown 1000 "$1"; }

pages_start --mib 8 --write-percent 10
for freeze in auto fork; do
	empty $freeze
	FRAZIL_FREEZE=$freeze dump $freeze --leave-running
	is "freezer" "$(live_of $freeze freezer)" fork
	pages_verify
done
pages_round
for freeze in deactivate wp; do
	empty $freeze
	FRAZIL_FREEZE=$freeze must_fail $CRIU dump -t "$pid" -D $freeze --leave-running -o dump.log
	log_has $freeze/dump.log "freeze = $freeze was asked for and cannot be done: cannot open /dev/userfaultfd"
	[ ! -e $freeze/inventory.img ] || fail "there is an inventory"
	pages_verify
done

empty 1
predump 1
log_has 1/pre-dump.log "Memory cannot be tracked here"
empty 2
dump 2 --track-mem --leave-running --prev-images-dir ../1
kill_task
for dir in fork:0 2:1; do
	restore "${dir%:*}"
	generation=${dir#*:}
	pages_verify
	kill_task
done
