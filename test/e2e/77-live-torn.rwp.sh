UNABLE=wp
. "$(dirname "$0")/67-live-torn.sh"
