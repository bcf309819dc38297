/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_PIECES_H
#define FRAZIL_PIECES_H

#include <stdint.h>

#include "scan.h"

struct pieces;

/* Does its work with [start, end), and appends what it finds to @found. Returns 0 or -errno. */
typedef int (*piece_fn)(const void *arg, uint64_t start, uint64_t end, struct run_set *found);

struct pieces *pieces_begin(const struct run_set *ranges, piece_fn fn, const void *arg);
int pieces_finish(struct pieces *p, struct run_set *found);
void pieces_cancel(struct pieces *p);

#endif
