#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""pagemap.py COMMAND FILE [ARGUMENT]: looks at a pagemap image, or changes it.

  count FILE FLAG    pages in entries with this flag of criu (PE_LAZY, ...), or with "all"
  longest FILE       pages of the longest entry
  mark-lazy FILE FROM TO   the flag PE_LAZY for all entries in between that are in the parent
  drop-first FILE    without its first entry of some pages that are present
  left-to-server FILE  the first present entry is lazy and not present
  to-parent FILE DIR   every second five pages are moved to images in DIR, where there is none
  make FILE ENTRY... a new one: ENTRY is ADDRESS:PAGES:FLAGS, with the flags as a number
"""
import os
import sys

import pycriu.images

FLAGS = {"PE_PARENT": 1, "PE_LAZY": 2, "PE_PRESENT": 4}


def load(path):
    with open(path, "rb") as f:
        return pycriu.images.load(f, pretty=False)


def save(path, image):
    with open(path, "wb") as f:
        pycriu.images.dump(image, f)


def flags(e):
    return e.get("flags", 4)


def to_parent(path, image, directory):
    pages_name = os.path.join(os.path.dirname(path), f"pages-{image['entries'][0]['pages_id']}.img")
    with open(pages_name, "rb") as f:
        data = f.read()
    entries, pages, at = {0: [], 1: []}, {0: b"", 1: b""}, 0
    for e in image["entries"][1:]:
        assert flags(e) & 4, "already in a parent"
        for first in range(0, e["nr_pages"], 5):
            count = min(5, e["nr_pages"] - first)
            up = first // 5 % 2
            piece = {"vaddr": e["vaddr"] + first * 4096, "nr_pages": count, "flags": 4}
            entries[0].append(dict(piece, flags=1 if up else 4))
            if up:
                entries[1].append(piece)
            pages[up] += data[at:at + count * 4096]
            at += count * 4096
    head = image["entries"][:1]
    save(path, dict(image, entries=head + entries[0]))
    save(os.path.join(directory, os.path.basename(path)), dict(image, entries=head + entries[1]))
    for name, up in (pages_name, 0), (os.path.join(directory, os.path.basename(pages_name)), 1):
        with open(name, "wb") as f:
            f.write(pages[up])


def main(command, path, *args):
    if command == "make":
        entries = [dict(zip(("vaddr", "nr_pages", "flags"), (int(x, 0) for x in a.split(":")))) for a in args]
        save(path, {"magic": "PAGEMAP", "entries": [{"pages_id": 1}] + entries})
        return
    image = load(path)
    entries = image["entries"]
    present = [i for i, e in enumerate(entries) if i and flags(e) & 4]
    if command == "count":
        want = FLAGS.get(args[0], 7)
        print(sum(e["nr_pages"] for e in entries[1:] if flags(e) & want))
        return
    if command == "longest":
        print(max(e["nr_pages"] for e in entries[1:]))
        return
    if command == "mark-lazy":
        low, high = (int(x, 0) for x in args)
        for e in entries[1:]:
            if flags(e) & 1 and low <= e["vaddr"] < high:
                e["flags"] = flags(e) | 2
    elif command == "to-parent":
        to_parent(path, image, args[0])
        return
    elif command == "drop-first":
        del entries[max(present, key=lambda i: entries[i]["nr_pages"])]
    elif command == "left-to-server":
        entries[present[0]]["flags"] = 2
    else:
        sys.exit(__doc__)
    save(path, image)


if __name__ == "__main__":
    main(*sys.argv[1:])
