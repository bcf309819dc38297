# podman container checkpoint --leave-running of a Redis server under load: it goes on, and
# what is restored from the archive is what it held in between.
. "$(dirname "$0")/lib.sh"
TIMEOUT=600
# The environment does not get through to criu.
mkdir -p /etc/criu
trap 'rm -f /etc/criu/frazil.conf' EXIT
echo "freeze = deactivate" >/etc/criu/frazil.conf
must python3 "$(dirname "$0")/redis_cycle.py" --mib 20 --warm-up 1 --out result.json --live
python3 - <<'EOF'
import json
r = json.load(open("result.json"))
assert r["digest_ok"], "the server that went on does not hold what the client wrote"
assert r["live_frozen_with"] == ["deactivate"], f"frozen with {r['live_frozen_with']}"
assert not r["keys_wrong_in_images"], f"keys {r['keys_wrong_in_images'][:5]} hold in the images what they never did"
EOF
