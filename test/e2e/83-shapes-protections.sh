# Memory that cannot be written, or not be read, in some rounds.
. "$(dirname "$0")/lib.sh"
mkdir readonly unreadable
cd readonly
shapes_start readonly,split
shapes_chain splice read
cd ../unreadable
# --pre-dump-mode read leaves out what cannot be read: if it can be read at the next
# dump, stock CRIU 4.1.1 fails with "Hole ... not found in parent".
mode=read
[ "${CRIU:-criu}" = criu ] || mode=splice
shapes_start protnone,writeonly,anon
shapes_chain splice $mode
