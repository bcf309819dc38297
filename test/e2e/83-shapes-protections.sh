# Memory that cannot be written, or not be read, in some rounds.
. "$(dirname "$0")/lib.sh"
mkdir readonly unreadable
cd readonly
shapes_start readonly,split
shapes_chain splice read
cd ../unreadable
# Not with --pre-dump-mode read, which leaves out what cannot be read: if it can be read
# at the next dump, stock CRIU 4.1.1 fails with "Hole ... not found in parent".
shapes_start protnone,writeonly,anon
shapes_chain splice splice
