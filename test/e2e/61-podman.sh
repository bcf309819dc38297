# A Redis container under load, checkpointed by podman: pre-dump, dump on top of it,
# restore. The server runs as an unprivileged user and is tracked all the same.
#
# TRACKER: which one is expected to be in use. MIB: of keys.
. "$(dirname "$0")/lib.sh"
TIMEOUT=600
must python3 "$(dirname "$0")/redis_cycle.py" --mib "${MIB:-40}" --warm-up 2 --out result.json
python3 - "${TRACKER:-deactivate}" "${MIB:-40}" <<'EOF'
import json
import sys
tracker, mib = sys.argv[1], int(sys.argv[2])
r = json.load(open("result.json"))
assert r["digest_ok"], "the keys do not hold what the client wrote"
assert r["redis_uid"] != 0, "redis runs as root"
first, last = r["predump_rounds"], r["dump_rounds"]
assert first.get("pages", 0) > mib * 256, f"not tracked at the pre-dump: {first}"
assert r["dump_pages"] < r["predump_pages"] / 2, f"dumped again: {r['dump_pages']} of {r['predump_pages']}"
if tracker == "rwp":
    # What criu reads looks used: the pre-dump has read all of it.
    sys.exit(0)
assert last["hot"] + last["cold"] == last["pages"], f"hot and cold: {last}"
assert 0 < last["hot"] < last["pages"], f"everything is hot: {last}"
# In the images, and in its own pid namespace, the server is pid 1.
used = r["dump_working_set"]
assert used["pid"] == 1 and used["host_pid"] == r["dump_pid"], f"pids: {used['pid']}, {used['host_pid']}"
assert used["cold"] == last["cold"], f"cold: {used['cold']} pages in images, {last['cold']} in memory"
EOF
