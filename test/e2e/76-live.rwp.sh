# Live dumps on a stock kernel.
FREEZERS="fork wp"
. "$(dirname "$0")/65-live.sh"
