# Live dumps on a stock kernel. Linux 7.3 calls pages "not written" in mappings that nobody
# registered, so that wp cannot tell a new page from a frozen one there: it is refused, and
# the first choice is fork.
FREEZERS=fork
. "$(dirname "$0")/65-live.sh"
bank_start --mib 8
mkdir asked
FRAZIL_FREEZE=wp must_fail criu dump -D asked -t "$pid" --leave-running -v4 -o dump.log
log_has asked/dump.log "freeze = wp was asked for and cannot be done: mremap() does not end write-protection"
bank_verify
dump auto --leave-running
log_has auto/dump.log "frozen with fork"
bank_verify
