# The same with write-protection alone.
export FRAZIL_TRACKER=wp
. "$(dirname "$0")/37-exact.sh"
