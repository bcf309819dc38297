#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How long a client of a Redis server waits for an answer while the server is dumped and goes
on: by stock criu, and with Frazil's freezers. Runs in the test guest.

  stall.py MIB ROUNDS RESULTS FREEZER...

Each dump is taken twice: without the server's connections (--tcp-close), which are of no use to
images of a server that goes on; and with them, when criu runs iptables to lock each of them.

Appends lines of "MIB[:connections] WHO stall_ms frozen_us" to RESULTS; both are nan for a dump that
failed, as those with a freezer other than fork do when the server returns memory to the system.
"""
import json
import math
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, "/mnt/share/e2e")
from redis_cycle import VALUE_BYTES, Client, Connection, CycleError, load, run  # noqa: E402

IMAGES = "/tmp/stall"
CONNECTIONS = {"": "--tcp-close", ":connections": "--tcp-established"}


def start_server():
    server = subprocess.Popen(["setsid", "redis-server", "--save", "", "--appendonly", "no", "--dir", "/tmp"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            Connection().close()
            return server
        except OSError:
            time.sleep(0.1)


def dump(pid, who, connections, client):
    """Returns the longest stall in ms, and the frozen time in us; nan for a dump that fails."""
    shutil.rmtree(IMAGES, ignore_errors=True)
    os.makedirs(IMAGES)
    start = time.monotonic()
    criu = "criu-stock" if who == "stock" else "criu"
    try:
        run(criu, "dump", "-t", str(pid), "-D", IMAGES, "--leave-running", connections, "-v1", "-o", "dump.log",
            env=dict(os.environ, FRAZIL_FREEZE=who))
    except CycleError:
        with open(f"{IMAGES}/dump.log", errors="replace") as f:
            print(f"  BENCH   with {who} the dump failed:", *f.readlines()[-4:], sep="\n  BENCH   ", flush=True)
        return math.nan, math.nan
    time.sleep(0.3)
    stall = client.longest_stall_ms(start, time.monotonic())
    stats = json.loads(run("crit", "show", f"{IMAGES}/stats-dump"))
    return stall, stats["entries"][0]["dump"]["frozen_time"]


def main():
    mib, rounds, results, freezers = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    keys = mib * 1024 * 1024 // VALUE_BYTES
    server = start_server()
    load(keys)
    client = Client(keys)
    client.start()
    time.sleep(2)
    for i in range(rounds):
        for suffix, connections in CONNECTIONS.items():
            for who in ["stock", *freezers]:
                stall, frozen = dump(server.pid, who, connections, client)
                with open(results, "a") as f:
                    f.write(f"{mib}{suffix} {who} {stall:.1f} {frozen}\n")
        print(f"  BENCH   redis with {mib} MiB of keys, round {i + 1} of {rounds}", flush=True)
    client.stop()
    server.kill()


if __name__ == "__main__":
    main()
