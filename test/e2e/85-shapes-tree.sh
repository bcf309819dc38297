# Processes that fork, exec and end between rounds, and threads that write all the time.
# Two processes with one memory (CLONE_VM without CLONE_THREAD) are not here: CRIU does
# not dump them.
. "$(dirname "$0")/lib.sh"
shapes_start anon,mainstack,remap,brk,dontneed,busy --children --threads 3
shapes_chain read splice read
