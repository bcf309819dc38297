#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""imgdiff.py A B [AGAIN]: do two directories of CRIU images hold the same?

Compares the files' names, every entry, and every page. Left out is what differs
between any two dumps of a task that runs on: times, ids of the run, and a register that
the emulator lacks. With AGAIN, a second dump by the criu that made A, it is left out as well
where A and AGAIN differ: in bytes of pages, as a word on the stack does, and in which registers
the CPU notes as unused; what is in them is compared.

Pages that a stack pointer is in may not be restored lazily. Stock criu wants that, too, but
does not find them; see criu-plugin/criu-series. So they are not in A, and have to be in B.

Exit status 1 and the first differences when they are not the same.
"""
import difflib
import json
import os
import sys

import pycriu.images

PAGE = 4096
VOLATILE = {"dump_uptime", "dump_criu_run_id", "utime", "stime", "start_time", "isec", "iusec", "vsec",
            "vusec", "sec", "usec", "nsec", "tv_sec", "tv_nsec", "pkru"}
UNSTEADY = "xstate_bv"


def images(directory):
    return sorted(f for f in os.listdir(directory) if f.endswith(".img"))


def strip(x):
    if isinstance(x, dict):
        return {k: strip(v) for k, v in x.items() if k not in VOLATILE}
    if isinstance(x, list):
        return [strip(v) for v in x]
    return x


def entries(path):
    with open(path, "rb") as f:
        image = pycriu.images.load(f, pretty=True)
    return json.dumps(strip(image), indent=1, sort_keys=True, default=str).splitlines()


def is_unsteady(lines, again):
    """Whether that which changes by itself did."""
    def values(x):
        return [line for line in x if f'"{UNSTEADY}"' in line]
    return values(lines) != values(again)


def stack_pages(directory):
    """Where the threads' stack pointers are."""
    for name in images(directory):
        if name.startswith("core-"):
            with open(os.path.join(directory, name), "rb") as f:
                core = pycriu.images.load(f, pretty=True)["entries"][0]
            yield int(str(core["thread_info"]["gpregs"]["sp"]), 0) // PAGE * PAGE


def pages_listed(path, stacks):
    """What a pagemap says of each page, as lines; those of @stacks may not be lazy."""
    with open(path, "rb") as f:
        head, *listed = pycriu.images.load(f, pretty=True)["entries"]
    lines = [str(head)]
    for entry in listed:
        start = int(str(entry["vaddr"]), 0)
        for page in range(start, start + entry["nr_pages"] * PAGE, PAGE):
            flags = {f.strip() for f in str(entry["flags"]).split("|")}
            if page in stacks:
                flags.discard("PE_LAZY")
            lines.append(f"{page:#x} {' '.join(sorted(flags))}")
    return lines


def read(path):
    with open(path, "rb") as f:
        return f.read()


def pages_differ(a, b, again):
    """How many bytes of b are not those of a, nor known to change by themselves."""
    if len(a) != len(b):
        return abs(len(a) - len(b))
    count = 0
    for at in range(0, len(a), PAGE):
        x, y = a[at:at + PAGE], b[at:at + PAGE]
        if x == y:
            continue
        z = again[at:at + PAGE] if again else x
        count += sum(i != j and i == k for i, j, k in zip(x, y, z))
    return count


def main(a, b, again=None):
    if images(a) != images(b):
        sys.exit(f"files: {images(a)} and {images(b)}")
    bad = []
    # A pre-dump has no registers; the task waits where it did in the other dump.
    stacks = set(stack_pages(b)) or set(stack_pages(again or b))
    for name in images(a):
        if name.startswith("pages-"):
            third = read(os.path.join(again, name)) if again else None
            differ = pages_differ(read(os.path.join(a, name)), read(os.path.join(b, name)), third)
            if differ:
                bad.append(f"{name}: {differ} bytes differ")
        else:
            if name.startswith("pagemap-"):
                left, right = pages_listed(os.path.join(a, name), stacks), pages_listed(os.path.join(b, name), ())
            else:
                left, right = entries(os.path.join(a, name)), entries(os.path.join(b, name))
                if name.startswith("core-") and again and is_unsteady(left, entries(os.path.join(again, name))):
                    left, right = ([line for line in x if f'"{UNSTEADY}"' not in line] for x in (left, right))
            bad += [f"{name}: {line}" for line in difflib.unified_diff(left, right, lineterm="", n=0)]
    if bad:
        sys.exit("\n".join(bad[:20]))


if __name__ == "__main__":
    main(*sys.argv[1:])
