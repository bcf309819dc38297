/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_SCAN_H
#define FRAZIL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uapi.h"

/* What is known about a run of pages. Nothing known means written and hot. */
#define PAGE_CLEAN (1u << 0) /* not written since the last round */
#define PAGE_COLD  (1u << 1) /* not used since the last round */

struct run {
	uint64_t start;
	uint64_t end; /* exclusive, in bytes */
	unsigned int state;
};

/* Runs in address order that do not overlap. All zero is an empty set. */
struct run_set {
	struct run *v;
	size_t nr;
	size_t cap;
};

/* What PAGEMAP_SCAN is to find; see Documentation/admin-guide/mm/pagemap.rst. */
struct scan_filter {
	uint64_t inverted;
	uint64_t mask;
	uint64_t anyof;
	uint64_t flags; /* PM_SCAN_* */
};

/* State of a page that scan_*() saw. */
#define PAGE_SWAPPED (1u << 0) /* it is swapped out; otherwise present */
#define PAGE_FROZEN  (1u << 1) /* a freezer closed it: scan_seen() */

/* What scan_answer() says about use. */
#define SCAN_HINTS	  (1u << 0)
#define SCAN_HINTS_DUMPED (1u << 1)

struct page_counts {
	uint64_t scanned; /* present or swapped, the zero page aside */
	uint64_t written;
	uint64_t hot;
	uint64_t cold; /* hot + cold == scanned */
};

/* What a scan finds. It adds to each of them. */
struct findings {
	struct run_set *known;		  /* states of pages: PAGE_CLEAN, PAGE_COLD; or NULL */
	struct run_set *seen;		  /* all pages: PAGE_SWAPPED, PAGE_FROZEN; or NULL */
	const struct scan_filter *frozen; /* what PAGE_FROZEN says; or NULL */
	struct page_counts counts;
};

int run_set_add(struct run_set *set, uint64_t start, uint64_t end, unsigned int state);
void run_set_fini(struct run_set *set);

int scan_written(int pagemap_fd, uint64_t start, uint64_t end, bool arm, struct findings *f);
int scan_deactivated(int pagemap_fd, uint64_t start, uint64_t end, bool arm, struct findings *f);
int scan_soft_dirty(int pagemap_fd, uint64_t start, uint64_t end, bool arm, struct findings *f);
int scan_seen(int pagemap_fd, uint64_t start, uint64_t end, const struct scan_filter *frozen, struct run_set *seen);
int scan_matching(int pagemap_fd, uint64_t start, uint64_t end, const struct scan_filter *filter, struct run_set *set,
		  uint64_t *pages);
int scan_first(int pagemap_fd, uint64_t start, uint64_t end, const struct scan_filter *filter, uint64_t *page);
int scan_find(int pagemap_fd, uint64_t start, uint64_t end, uint64_t categories, uint64_t *page);
int scan_is_wp_async(int pagemap_fd, uint64_t start, uint64_t end);
int scan_is_rwp(int pagemap_fd, uint64_t start, uint64_t end);
bool scan_is_covered(const struct run_set *covered, const struct pm_scan_arg *arg);
size_t scan_again(const struct run_set *seen, struct pm_scan_arg *arg);
size_t scan_answer(const struct run_set *known, unsigned int hints, const struct page_region *in, size_t nr_in,
		   struct page_region *out, size_t nr_out, uint64_t *walk_end);

#endif
