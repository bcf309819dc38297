# A stock kernel without the series, told not to use what it has.
export FRAZIL_TRACKER=wp TRACKER=wp
. "$(dirname "$0")/30-roundtrip.sh"
