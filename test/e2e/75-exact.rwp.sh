# And on Linux 7.3, where soft-dirty tells what is written.
. "$(dirname "$0")/37-exact.sh"
