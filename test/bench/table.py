#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints the table of make bench: medians, and the median of the ratios of each round."""
import statistics
import sys

STEPS = {"1": "first pre-dump", "2": "second pre-dump", "3": "dump"}


HOW = {"eager": "stock, eager", "lazy": "stock, all lazy", "frazil": "frazil, cold pages lazy"}


def restore_table(path):
    ms, faults = {}, {}
    for line in open(path):
        how, m, f = line.split()
        ms.setdefault(how, []).append(int(m))
        faults.setdefault(how, []).append(int(f))
    print(f"{'restore':<24} {'until it runs, ms':>18} {'ratio':>6} {'faults it waited for':>21} {'ratio':>6}")
    for how, name in HOW.items():
        ratio = statistics.median(a / b for a, b in zip(ms[how], ms["eager"]))
        share = statistics.median(a / b for a, b in zip(faults[how], faults["lazy"]))
        print(f"{name:<24} {statistics.median(ms[how]):>18.0f} {ratio:>6.2f} {statistics.median(faults[how]):>21.0f} {share:>6.2f}")


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
    print()
    restore_table(sys.argv[2])


if __name__ == "__main__":
    main()
