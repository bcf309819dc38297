# With write-protection alone, as on kernels without the series.
export FRAZIL_TRACKER=wp TRACKER=wp
. "$(dirname "$0")/30-roundtrip.sh"
