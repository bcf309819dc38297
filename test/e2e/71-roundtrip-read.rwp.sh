MODE=read TRACKER=rwp
. "$(dirname "$0")/30-roundtrip.sh"
