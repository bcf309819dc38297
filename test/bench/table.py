#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints the tables of make bench: medians, and the median of the ratios of each round.

  table.py FOLDER    with what the programs of this folder wrote, as far as they ran
"""
import math
import os
import statistics
import sys

STEPS = {"1": "first pre-dump", "2": "second pre-dump", "3": "dump"}
HOW = {"eager": "stock, eager", "lazy": "stock, all lazy", "frazil": "frazil, cold pages lazy"}


def read(path, keys):
    """Lines of words, the first KEYS of which say what the numbers behind them are of."""
    found = {}
    with open(path) as f:
        for line in f:
            words = line.split()
            found.setdefault(tuple(words[:keys]), []).append([float(w) for w in words[keys:]])
    return found


def median(rows, column):
    """Of those rounds that did not fail, which are nan."""
    there = [row[column] for row in rows if not math.isnan(row[column])]
    return statistics.median(there) if there else math.nan


def ratio(rows, others, column):
    """Of a round to the same round."""
    return median([[a[column] / b[column] if b[column] else math.nan] for a, b in zip(rows, others)], 0)


def freeze_table(path):
    found = read(path, 3)
    print(f"{'MiB':>5} {'step':<16} {'stock, ms':>10} {'frazil, ms':>11} {'ratio':>6} {'stock, pages':>13} {'frazil, pages':>14}")
    for mib, who, step in found:
        if who != "criu":
            continue
        ours, stock = found[mib, "criu", step], found[mib, "criu-stock", step]
        print(f"{mib:>5} {STEPS[step]:<16} {median(stock, 0) / 1000:>10.0f} {median(ours, 0) / 1000:>11.0f} "
              f"{ratio(ours, stock, 0):>6.2f} {median(stock, 1):>13.0f} {median(ours, 1):>14.0f}")


def restore_table(path):
    found = read(path, 1)
    eager, lazy = found["eager",], found["lazy",]
    print(f"{'restore':<24} {'until it runs, ms':>18} {'ratio':>6} {'faults it waited for':>21} {'ratio':>6}")
    for how, name in HOW.items():
        rows = found[how,]
        print(f"{name:<24} {median(rows, 0):>18.0f} {ratio(rows, eager, 0):>6.2f} {median(rows, 1):>21.0f} "
              f"{ratio(rows, lazy, 1):>6.2f}")


def live_table(path, where):
    found = read(path, 2)
    least = next(iter(found))[0]
    print(f"{'live dump, ' + where:<28} {'MiB':>9} {'stopped, ms':>12} {'of stock':>9} {'of ' + least + ' MiB':>10} "
          f"{'faults':>7} {'99 % up to, us':>15} {'all up to, us':>14} {'criu, MiB':>10}")
    for mib, who in found:
        rows = found[mib, who]
        print(f"{who:<28} {mib:>9} {median(rows, 0) / 1000:>12.0f} {ratio(rows, found[mib, 'stock'], 0):>9.3f} "
              f"{ratio(rows, found[least, who], 0):>10.2f} {median(rows, 1):>7.0f} {median(rows, 2):>15.0f} "
              f"{median(rows, 3):>14.0f} {max(r[4] for r in rows) / 1024:>10.0f}")


def stall_table(path):
    found = read(path, 2)
    print(f"{'dump of a running redis':<28} {'MiB':>16} {'no answer, ms':>14} {'of stock':>9} {'stopped, ms':>12} "
          f"{'failed':>7}")
    for mib, who in found:
        rows = found[mib, who]
        failed = sum(math.isnan(row[0]) for row in rows)
        print(f"{who:<28} {mib:>16} {median(rows, 0):>14.0f} {ratio(rows, found[mib, 'stock'], 0):>9.3f} "
              f"{median(rows, 1) / 1000:>12.0f} {failed:>7}")


def main():
    tables = [
        ("results", freeze_table, ()),
        ("restore-results", restore_table, ()),
        ("live-guest", live_table, ("guest",)),
        ("live-host", live_table, ("this host",)),
        ("stall", stall_table, ()),
    ]
    there = [t for t in tables if os.path.exists(os.path.join(sys.argv[1], t[0]))]
    for i, (name, table, args) in enumerate(there):
        if i:
            print()
        table(os.path.join(sys.argv[1], name), *args)


if __name__ == "__main__":
    main()
