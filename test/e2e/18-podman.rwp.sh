# A Redis container under load, checkpointed by podman on the distribution's own kernel, 7.3,
# where stock CRIU 4.1.1 can dump no network namespace, and no TCP socket: pre-dump, dump on
# top of it, restore.
. "$(dirname "$0")/lib.sh"
TIMEOUT=600
must python3 "$(dirname "$0")/redis_cycle.py" --mib 20 --warm-up 2 --out result.json
python3 - <<'EOF'
import json
r = json.load(open("result.json"))
assert r["digest_ok"], "the keys do not hold what the client wrote"
assert r["redis_uid"] != 0, "redis runs as root"
assert r["predump_rounds"].get("pages", 0) > 20 * 256, f"not tracked at the pre-dump: {r['predump_rounds']}"
assert r["dump_pages"] < r["predump_pages"] / 2, f"dumped again: {r['dump_pages']} of {r['predump_pages']}"
EOF
