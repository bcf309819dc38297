#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints the table of make bench: medians, and the median of the ratios of each round."""
import statistics
import sys

STEPS = {"1": "first pre-dump", "2": "second pre-dump", "3": "dump"}


def main():
    frozen, pages = {}, {}
    for line in open(sys.argv[1]):
        mib, who, step, us, written = line.split()
        frozen.setdefault((mib, step, who), []).append(int(us))
        pages.setdefault((mib, step, who), []).append(int(written))
    print(f"{'MiB':>5} {'step':<16} {'stock, ms':>10} {'frazil, ms':>11} {'ratio':>6} {'stock, pages':>13} {'frazil, pages':>14}")
    for mib, step, who in frozen:
        if who != "criu":
            continue
        ours, stock = frozen[mib, step, "criu"], frozen[mib, step, "criu-stock"]
        ratio = statistics.median(a / b for a, b in zip(ours, stock))
        print(f"{mib:>5} {STEPS[step]:<16} {statistics.median(stock) / 1000:>10.0f} {statistics.median(ours) / 1000:>11.0f} "
              f"{ratio:>6.2f} {statistics.median(pages[mib, step, 'criu-stock']):>13.0f} {statistics.median(pages[mib, step, 'criu']):>14.0f}")


if __name__ == "__main__":
    main()
