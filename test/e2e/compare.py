#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints the table of make demo from two results of redis_cycle.py: stock, frazil."""
import json
import sys

ROWS = [
    ("freeze of pre-dump", "ms", lambda r: r["predump_frozen_ms"]),
    ("freeze of dump", "ms", lambda r: r["dump_frozen_ms"]),
    ("pages of pre-dump", "", lambda r: r["predump_pages"]),
    ("pages dumped again", "", lambda r: r["dump_pages"]),
    ("pages hot", "", lambda r: r["dump_rounds"].get("hot")),
    ("pages cold", "", lambda r: r["dump_rounds"].get("cold")),
    ("longest stall, pre-dump", "ms", lambda r: r["predump_stall_ms"]),
    ("longest stall, dump + restore", "ms", lambda r: r["dump_restore_stall_ms"]),
    ("restore to first reply", "ms", lambda r: r["restore_to_answer_ms"]),
]


def text(x):
    return "-" if x is None else f"{x:.0f}"


def main():
    stock, frazil = (json.load(open(path)) for path in sys.argv[1:3])
    print(f"{'':<30} {'stock':>10} {'frazil':>10} {'ratio':>8}")
    for name, unit, get in ROWS:
        a, b = get(stock), get(frazil)
        ratio = f"{b / a:.2f}" if a and b is not None else "-"
        label = f"{name}, {unit}" if unit else name
        print(f"{label:<30} {text(a):>10} {text(b):>10} {ratio:>8}")
    for r in (stock, frazil):
        seen = "as the client wrote it" if r["digest_ok"] else "WRONG"
        print(f"{r['who']}: {r['keys']} keys, digest after restore: {seen}; "
              f"{r['keys_written_between']} keys written between the dumps")
    v = frazil["versions"]
    print(f"linux {v['linux']}, criu {v['criu']}, runc {v['runc']}, podman {v['podman']}, redis {v['redis']}")
    return 0 if stock["digest_ok"] and frazil["digest_ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
