/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_RANGES_H
#define FRAZIL_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "chain.h"
#include "scan.h"

/* What is said of the pages of a range. */
#define RANGE_USED    (1u << 0) /* read or written since the last round */
#define RANGE_WRITTEN (1u << 1)
#define RANGE_TRACKED (1u << 2) /* not in files: the mapping was asked about */

/*
 * Ranges as they are stored: the pages between the end of the one before, or address 0,
 * and this one; how many pages it has; RANGE_* of it. All three arrays have @nr numbers.
 */
struct range_code {
	uint64_t *gap;
	uint64_t *pages;
	uint32_t *state;
	size_t nr;
};

struct range_counts {
	uint64_t pages;
	uint64_t hot;
	uint64_t cold; /* hot + cold == pages */
	uint64_t written;
};

int ranges_encode(const struct run_set *set, struct range_code *code);
int ranges_decode(const struct range_code *code, struct run_set *set);
void range_code_fini(struct range_code *code);

int ranges_classify(const struct page_map *map, const struct run_set *known, const struct run_set *untracked,
		    struct run_set *out);
int ranges_from_flags(const struct page_map *map, struct run_set *out);
struct range_counts ranges_count(const struct run_set *set);

#endif
