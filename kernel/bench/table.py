#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints the tables of kernel/bench/run from the results in a directory.

Each line of the results is "NAME NANOSECONDS"; a name has one line for each round, in
the order of the rounds. In a guest started with --icount a nanosecond is an instruction.
Ratios of operations are medians of the ratios of each round.
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


def row(what, times, time_ratio, instructions, instruction_ratio, last):
    print(f"{what:<42} {times[0]:>11.1f} {times[1]:>11.1f} {time_ratio:>6.3f}   "
          f"{instructions[0]:>11.1f} {instructions[1]:>11.1f} {instruction_ratio:>6.3f} {last:>7}")


def heading(what, ours, theirs, last):
    print(f"{what:<42} {ours + ', ns':>11} {theirs:>11} {'ratio':>6}   "
          f"{ours + ', in.':>11} {theirs:>11} {'ratio':>6} {last:>7}")


def main():
    where = sys.argv[1]
    time, count = read(f"{where}/ops-time"), read(f"{where}/ops-instructions")
    heading("operation, per page of 4 KiB", "it", "wp", "at most")
    for what, ours, theirs, limit in OPERATIONS:
        row(what, [statistics.median(time[n]) for n in (ours, theirs)], ratio(time[ours], time[theirs]),
            [statistics.median(count[n]) for n in (ours, theirs)], ratio(count[ours], count[theirs]),
            "-" if limit is None else f"{limit:.2f}")
    print()
    # Guests that took turns: no round of one belongs to one of the other.
    time = [read(f"{where}/idle-{k}-time") for k in ("kernel", "kernel-unpatched")]
    count = [read(f"{where}/idle-{k}-instructions") for k in ("kernel", "kernel-unpatched")]
    heading("nobody uses it, per call or page", "series", "unpatched", "rounds")
    for name in time[0]:
        times = [statistics.median(t[name]) for t in time]
        counts = [statistics.median(c[name]) for c in count]
        row(name, times, times[0] / times[1], counts, counts[0] / counts[1], len(time[0][name]))


if __name__ == "__main__":
    main()
