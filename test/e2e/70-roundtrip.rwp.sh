# Linux 7.3, where read-write-protection tells what is used: found without being told.
TRACKER=rwp
. "$(dirname "$0")/30-roundtrip.sh"
