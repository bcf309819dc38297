# Between rounds mappings go, come, move, grow, shrink, split and merge, and pages are
# given back.
. "$(dirname "$0")/lib.sh"
shapes_start remap,move,dontneed,free,split,brk,anon
shapes_chain read splice read
