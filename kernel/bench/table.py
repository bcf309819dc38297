#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints the tables of kernel/bench/run from the results in a directory.

Each line of the results is "NAME NANOSECONDS"; a name has one line for each round, in
the order of the rounds. Ratios are medians of the ratios of each round.
"""
import statistics
import sys

# What is compared with what, and what the ratio should be at most.
OPERATIONS = [
    ("UFFDIO_DEACTIVATE, a page of 4 KiB", "deactivate", "writeprotect", 1.3),
    ("UFFDIO_DEACTIVATE, the same in huge pages", "deactivate_thp", "writeprotect", 1 / 50),
    ("write to a deactivated page, async", "fault_thaw_write", "fault_wp_write", 1.1),
    ("read of a deactivated page, async", "fault_thaw_read", "fault_wp_write", 1.1),
    ("write, deactivated and write-protected", "fault_both_write", "fault_wp_write", None),
]


def read(path):
    times = {}
    with open(path) as f:
        for line in f:
            name, ns = line.split()
            times.setdefault(name, []).append(float(ns))
    return times


def ratio(ours, theirs):
    return statistics.median(a / b for a, b in zip(ours, theirs))


def main():
    where = sys.argv[1]
    ops = read(f"{where}/ops")
    print(f"{'operation':<44} {'ns':>9} {'against ns':>11} {'ratio':>7} {'at most':>8}")
    for what, ours, theirs, limit in OPERATIONS:
        print(f"{what:<44} {statistics.median(ops[ours]):>9.1f} {statistics.median(ops[theirs]):>11.1f} "
              f"{ratio(ops[ours], ops[theirs]):>7.3f} {limit if limit is None else format(limit, '.2f'):>8}".replace("None", "   -"))
    series, unpatched = read(f"{where}/idle-kernel"), read(f"{where}/idle-kernel-unpatched")
    print()
    print(f"{'nobody uses it':<44} {'series ns':>9} {'unpatched':>11} {'ratio':>7} {'rounds':>8}")
    for name in series:
        print(f"{name:<44} {statistics.median(series[name]):>9.1f} {statistics.median(unpatched[name]):>11.1f} "
              f"{statistics.median(series[name]) / statistics.median(unpatched[name]):>7.3f} {len(series[name]):>8}")


if __name__ == "__main__":
    main()
