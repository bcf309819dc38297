# Whoever runs criu may not use userfaultfd, as seccomp profiles of containers have it:
# that is said, what was asked for by name is refused, and otherwise pre-dumps and dumps,
# live ones too, do without.
. "$(dirname "$0")/lib.sh"
python3 - <<'EOF'
import struct
LOAD, IS, RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
NUMBER, ARG1 = 0, 24                 # offsets in struct seccomp_data
USERFAULTFD, IOCTL, USERFAULTFD_IOC_NEW = 323, 16, 0xaa00
EPERM, ALLOW = 0x50001, 0x7fff0000
code = [(LOAD, 0, 0, NUMBER), (IS, 3, 0, USERFAULTFD), (IS, 0, 3, IOCTL), (LOAD, 0, 0, ARG1),
        (IS, 0, 1, USERFAULTFD_IOC_NEW), (RETURN, 0, 0, EPERM), (RETURN, 0, 0, ALLOW)]
with open("filter", "wb") as f:
    f.write(b"".join(struct.pack("<HBBI", *c) for c in code))
EOF
cat >forbidden <<SH
#!/bin/sh
exec setpriv --seccomp-filter $PWD/filter criu "\$@"
SH
chmod +x forbidden
reason="cannot make a userfaultfd, seccomp or a security module forbids it: Operation not permitted"

must_fail setpriv --seccomp-filter filter frazil check
[[ $out == *"wp "*"$reason"* && $out == *"may not use userfaultfd"* ]] || fail "not told: $out"

pages_start --mib 8 --write-percent 10
mkdir named
FRAZIL_TRACKER=wp must_fail ./forbidden pre-dump -t "$pid" -D named -o pre-dump.log
log_has named/pre-dump.log "wp was asked for and cannot be used: wp: $reason"
FRAZIL_FREEZE=wp must_fail ./forbidden dump -t "$pid" -D named --leave-running -o dump.log
log_has named/dump.log "freeze = wp was asked for and cannot be done: $reason"
[ ! -e named/inventory.img ] || fail "there is an inventory"
pages_verify

CRIU=./forbidden predump 1
log_has 1/pre-dump.log "Memory cannot be tracked here: deactivate: $reason"
CRIU=./forbidden dump live --leave-running
is "freezer" "$(live_of live freezer)" fork
pages_round
CRIU=./forbidden dump 2 --track-mem --prev-images-dir ../1
restore 2
pages_verify
kill_task
restore live
generation=0
pages_verify
