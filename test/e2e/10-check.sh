# frazil check finds everything here, and says so for programs too.
. "$(dirname "$0")/lib.sh"
must frazil check
must frazil check --json
frazil check | grep -qE '^ok +deactivate' || fail "$(frazil check)"
frazil check --json | python3 -c 'import json, sys
assert all(line["ok"] for line in json.load(sys.stdin) if line["needed"])'
# Debian's own criu has no hooks, and that is told.
must_fail env PATH="/opt/stock:$PATH" frazil check
[[ $out == *"NO   criu"*"install the one that comes with Frazil"* ]] || fail "$out"
must_fail setpriv --reuid 65534 --clear-groups frazil check
[[ $out == *"NO   user"* ]] || fail "$out"
must_fail frazil nonsense
