// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The kernel keeps two facts per page: write-protected by userfaultfd (not
 * written since), and deactivated (not used since). PAGEMAP_SCAN reads both,
 * and with PM_SCAN_WP_MATCHING begins the next round for the first one in the
 * same walk, so that no write falls between reading and arming.
 *
 * That consumes the facts. They are read once per task and round into a
 * run_set, and all later questions are answered from there. The default answer
 * is the safe one: a page the set does not mention is written and hot.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "scan.h"

#define PAGE_BYTES 4096ull

/* criu's flag for a page that is not to be restored lazily: pagemap_scan.h */
#define PAGE_IS_EAGER (1ull << 62)

/* Regions fetched by one ioctl. 24 KiB on the stack. */
#define SCAN_BATCH 1024

/*
 * Appends [start, end) to the set, or extends its last run. Ranges come in
 * address order.
 *
 * Returns 0, -ENOMEM, or -EINVAL for a range that is not behind the last one.
 */
int run_set_add(struct run_set *set, uint64_t start, uint64_t end, unsigned int state)
{
	struct run *last = set->nr ? &set->v[set->nr - 1] : NULL;

	if (last && start < last->end)
		return -EINVAL;
	if (last && last->end == start && last->state == state) {
		last->end = end;
		return 0;
	}

	if (set->nr == set->cap) {
		size_t cap = set->cap ? 2 * set->cap : 256;
		struct run *v = realloc(set->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		set->v = v;
		set->cap = cap;
	}

	set->v[set->nr++] = (struct run){ .start = start, .end = end, .state = state };
	return 0;
}

void run_set_fini(struct run_set *set)
{
	free(set->v);
	*set = (struct run_set){};
}

static int scan_record(const struct page_region *r, struct run_set *set, struct page_counts *counts)
{
	uint64_t pages = (r->end - r->start) / PAGE_BYTES;
	unsigned int state = 0;

	if (!(r->categories & PAGE_IS_WRITTEN))
		state |= PAGE_CLEAN;
	/* One that came in late to be deactivated, and went out since: nobody swaps what is in use. */
	if (r->categories & (PAGE_IS_UFFD_DEACTIVATED | PAGE_IS_SWAPPED))
		state |= PAGE_COLD;

	counts->scanned += pages;
	*(state & PAGE_COLD ? &counts->cold : &counts->hot) += pages;
	if (!(state & PAGE_CLEAN))
		counts->written += pages;

	return set && state ? run_set_add(set, r->start, r->end, state) : 0;
}

/*
 * Where a scan goes on that returned @nr regions. Not at walk_end alone: when a stock
 * kernel filled its bounce buffer of 512 regions on the way and then came to the end,
 * it leaves walk_end where the buffer was full (seen on Linux 6.12). To scan, and with
 * arming to reset, the same pages again would make written pages look clean.
 */
static uint64_t scan_resume(const struct pm_scan_arg *arg, const struct page_region *regions, int nr)
{
	if ((uint64_t)nr < arg->vec_len)
		return arg->end;
	return arg->walk_end > regions[nr - 1].end ? arg->walk_end : regions[nr - 1].end;
}

/*
 * Reads what is known about the present and swapped pages of [start, end), and
 * with @arm write-protects them for the next round. Only memory registered for
 * asynchronous write-protection is looked at; elsewhere nothing is known.
 *
 * The zero page is neither reported nor protected: criu does not dump it, and
 * the page that a write puts in its place is not protected, hence written.
 *
 * @set may be NULL; counts are added to @counts.
 * Returns 0 or -errno. After an error with @arm part of the range is armed.
 */
int scan_pages(int pagemap_fd, uint64_t start, uint64_t end, bool arm, struct run_set *set, struct page_counts *counts)
{
	struct page_region regions[SCAN_BATCH];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = arm ? PM_SCAN_WP_MATCHING : 0,
		.start = start,
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = SCAN_BATCH,
		.category_inverted = PAGE_IS_PFNZERO,
		.category_mask = PAGE_IS_PFNZERO | PAGE_IS_WPALLOWED,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_WRITTEN | PAGE_IS_SWAPPED | PAGE_IS_UFFD_DEACTIVATED,
	};

	while (arg.start < end) {
		int i, ret, nr = ioctl(pagemap_fd, PAGEMAP_SCAN, &arg);

		if (nr < 0)
			return -errno;
		for (i = 0; i < nr; i++) {
			ret = scan_record(&regions[i], set, counts);
			if (ret)
				return ret;
		}
		arg.start = scan_resume(&arg, regions, nr);
	}

	return 0;
}

/*
 * Whether the mapping at @addr is registered for asynchronous write-protection,
 * whether or not a page is there.
 */
bool scan_is_tracked(int pagemap_fd, uint64_t addr)
{
	struct page_region region;
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = addr,
		.end = addr + PAGE_BYTES,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_mask = PAGE_IS_WPALLOWED,
		.return_mask = PAGE_IS_WPALLOWED,
	};

	return ioctl(pagemap_fd, PAGEMAP_SCAN, &arg) == 1;
}

/* The first run that ends after @addr, or one past the last. */
static const struct run *run_set_find(const struct run_set *set, uint64_t addr)
{
	size_t lo = 0, hi = set->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (set->v[mid].end > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return set->v + lo;
}

static uint64_t answer_categories(uint64_t categories, unsigned int state, bool hints)
{
	categories &= ~(uint64_t)PAGE_IS_SOFT_DIRTY;
	if (!(state & PAGE_CLEAN))
		categories |= PAGE_IS_SOFT_DIRTY;
	if (hints && !(state & PAGE_COLD))
		categories |= PAGE_IS_EAGER;
	return categories;
}

/*
 * Cuts the kernel's answer @in to a PAGEMAP_SCAN into regions that say what is
 * known: PAGE_IS_SOFT_DIRTY on all that may differ from the parent image and,
 * with @hints, PAGE_IS_EAGER on all that may be in use. Other categories stay.
 *
 * Returns the number of regions in @out. When more than @nr_out are needed,
 * *walk_end is set to where the answer ends, for the caller to go on from;
 * otherwise it is left alone.
 */
size_t scan_answer(const struct run_set *known, bool hints, const struct page_region *in, size_t nr_in,
		   struct page_region *out, size_t nr_out, uint64_t *walk_end)
{
	const struct run *run = nr_in ? run_set_find(known, in[0].start) : NULL;
	const struct run *end = known->v + known->nr;
	size_t i, nr = 0;

	for (i = 0; i < nr_in; i++) {
		uint64_t pos = in[i].start;

		while (pos < in[i].end) {
			uint64_t stop = in[i].end, categories;
			unsigned int state = 0;

			while (run < end && run->end <= pos)
				run++;
			if (run < end && run->start <= pos)
				state = run->state;
			if (run < end) {
				uint64_t edge = run->start <= pos ? run->end : run->start;

				stop = edge < stop ? edge : stop;
			}

			categories = answer_categories(in[i].categories, state, hints);
			if (nr && out[nr - 1].end == pos && out[nr - 1].categories == categories) {
				out[nr - 1].end = stop;
			} else if (nr == nr_out) {
				*walk_end = pos;
				return nr;
			} else {
				out[nr++] = (struct page_region){ pos, stop, categories };
			}
			pos = stop;
		}
	}

	return nr;
}
