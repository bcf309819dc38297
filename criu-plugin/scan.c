// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * The kernel keeps two facts per page: not written since, and not used since the
 * last round. How they are kept depends on the tracker: write-protected by
 * userfaultfd or soft-dirty for the former, deactivated or read-write-protected for
 * the latter. With PM_SCAN_WP_MATCHING the scan of the first begins the next round
 * in the same walk, so that no write falls between reading and arming.
 *
 * That consumes the facts. They are read once per task and round into a
 * run_set, and all later questions are answered from there. The default answer
 * is the safe one: a page the set does not mention is written and hot.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "page.h"
#include "scan.h"

/* criu's flag for a page that is not to be restored lazily: pagemap_scan.h */
#define PAGE_IS_EAGER (1ull << 62)

/*
 * Stretches of fewer cold pages between hot ones are restored with them. Among pages
 * that are left to the parent images each change between eager and lazy is an entry in
 * a pagemap, and each page that is eager for no need is a read.
 *
 * Among pages that are dumped each change is a call of criu's parasite while the task
 * is stopped: some 5 ms in an emulated guest, where a page takes 20 us to copy.
 */
#define COLD_GAP_PAGES	      4
#define COLD_GAP_DUMPED_PAGES 256

/* Regions fetched by one ioctl. 24 KiB on the stack. */
#define SCAN_BATCH 1024

/* Entries of /proc/PID/pagemap read at once: those of 2 MiB. */
#define PAGEMAP_BATCH 512

/* Bit 57 of such an entry: protected by userfaultfd, for writing or for any access. */
#define PM_UFFD (1ull << 57)

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
		/* There may be a set for each of very many mappings. */
		size_t cap = set->cap ? 2 * set->cap : 8;
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

static int record(uint64_t start, uint64_t end, unsigned int state, struct findings *f)
{
	uint64_t pages = (end - start) / PAGE_BYTES;

	f->counts.scanned += pages;
	*(state & PAGE_COLD ? &f->counts.cold : &f->counts.hot) += pages;
	if (!(state & PAGE_CLEAN))
		f->counts.written += pages;

	return f->known && state ? run_set_add(f->known, start, end, state) : 0;
}

/* Turns one region of a scan into what is known of its pages. */
typedef int (*region_fn)(int pagemap_fd, const struct page_region *r, struct findings *f);

static int record_written(int pagemap_fd, const struct page_region *r, struct findings *f)
{
	unsigned int state = 0;

	if (!(r->categories & PAGE_IS_WRITTEN))
		state |= PAGE_CLEAN;
	/* One that came in late to be deactivated, and went out since: nobody swaps what is in use. */
	if (r->categories & (PAGE_IS_UFFD_DEACTIVATED | PAGE_IS_SWAPPED))
		state |= PAGE_COLD;
	return record(r->start, r->end, state, f);
}

/*
 * That a page is still protected is read from its entry. PAGE_IS_ACCESSED is only
 * reported in mappings that are registered, so that its absence may as well mean
 * that the mapping is a new one.
 */
static int record_soft_dirty(int pagemap_fd, const struct page_region *r, struct findings *f)
{
	uint64_t entries[PAGEMAP_BATCH], pos = r->start;
	int ret = 0;

	while (!ret && pos < r->end) {
		uint64_t left = (r->end - pos) / PAGE_BYTES;
		size_t i, nr = left < PAGEMAP_BATCH ? left : PAGEMAP_BATCH;
		ssize_t got = pread(pagemap_fd, entries, nr * sizeof(*entries), pos / PAGE_BYTES * sizeof(*entries));

		if (got != (ssize_t)(nr * sizeof(*entries)))
			return got < 0 ? -errno : -EIO;
		for (i = 0; i < nr && !ret; i++, pos += PAGE_BYTES) {
			unsigned int state = 0;

			if (!(r->categories & PAGE_IS_SOFT_DIRTY))
				state |= PAGE_CLEAN;
			if ((entries[i] & PM_UFFD) || (r->categories & PAGE_IS_SWAPPED))
				state |= PAGE_COLD;
			ret = record(pos, pos + PAGE_BYTES, state, f);
		}
	}
	return ret;
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

/* Whether @filter lets pages through of which PAGEMAP_SCAN says this. */
static bool matches(const struct scan_filter *filter, uint64_t categories)
{
	categories ^= filter->inverted;
	return (categories & filter->mask) == filter->mask && (!filter->anyof || categories & filter->anyof);
}

static unsigned int seen_state(const struct findings *f, uint64_t categories)
{
	return (categories & PAGE_IS_SWAPPED ? PAGE_SWAPPED : 0) |
	       (f->frozen && matches(f->frozen, categories) ? PAGE_FROZEN : 0);
}

/* Calls @fn, unless it is NULL, for what a scan with @arg, of which vec is set here, finds. Returns 0 or -errno. */
static int scan(int pagemap_fd, struct pm_scan_arg *arg, region_fn fn, struct findings *f)
{
	struct page_region regions[SCAN_BATCH];

	arg->size = sizeof(*arg);
	arg->vec = (uintptr_t)regions;
	arg->vec_len = SCAN_BATCH;
	while (arg->start < arg->end) {
		int i, ret, nr = ioctl(pagemap_fd, PAGEMAP_SCAN, arg);

		if (nr < 0)
			return -errno;
		for (i = 0; i < nr; i++) {
			const struct page_region *r = &regions[i];

			ret = fn ? fn(pagemap_fd, r, f) : 0;
			if (!ret && f->seen)
				ret = run_set_add(f->seen, r->start, r->end, seen_state(f, r->categories));
			if (ret)
				return ret;
		}
		arg->start = scan_resume(arg, regions, nr);
	}

	return 0;
}

/* The question for all pages of [start, end) that criu dumps, present or swapped, but the zero page. */
static struct pm_scan_arg ask(uint64_t start, uint64_t end, uint64_t return_mask)
{
	return (struct pm_scan_arg){
		.start = start,
		.end = end,
		.category_inverted = PAGE_IS_PFNZERO,
		.category_mask = PAGE_IS_PFNZERO,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_SWAPPED | return_mask,
	};
}

/*
 * The scans of the trackers: what is known about the present and swapped pages of
 * [start, end). The zero page is neither reported nor protected: criu does not dump
 * it, and the page that a write puts in its place is not protected, hence written.
 *
 * Return 0 or -errno.
 */

static int scan_registered(int pagemap_fd, uint64_t start, uint64_t end, bool arm, uint64_t more, struct findings *f)
{
	struct pm_scan_arg arg = ask(start, end, PAGE_IS_WRITTEN | more);

	arg.flags = arm ? PM_SCAN_WP_MATCHING : 0;
	arg.category_mask |= PAGE_IS_WPALLOWED;
	return scan(pagemap_fd, &arg, record_written, f);
}

/*
 * Written is what is not write-protected any more. Only memory registered for
 * asynchronous write-protection is looked at; elsewhere nothing is known. With @arm
 * all of it is protected for the next round; after an error only part of it is.
 */
int scan_written(int pagemap_fd, uint64_t start, uint64_t end, bool arm, struct findings *f)
{
	return scan_registered(pagemap_fd, start, end, arm, 0, f);
}

/* The same, on a kernel that also knows which pages are deactivated: these are cold. */
int scan_deactivated(int pagemap_fd, uint64_t start, uint64_t end, bool arm, struct findings *f)
{
	return scan_registered(pagemap_fd, start, end, arm, PAGE_IS_UFFD_DEACTIVATED, f);
}

/* Written is what is soft-dirty. Any memory has that, and @arm has to be done elsewhere. */
int scan_soft_dirty(int pagemap_fd, uint64_t start, uint64_t end, bool arm, struct findings *f)
{
	struct pm_scan_arg arg = ask(start, end, PAGE_IS_SOFT_DIRTY);

	return scan(pagemap_fd, &arg, record_soft_dirty, f);
}

static int record_matching(int pagemap_fd, const struct page_region *r, struct findings *f)
{
	f->counts.scanned += (r->end - r->start) / PAGE_BYTES;
	return f->known ? run_set_add(f->known, r->start, r->end, 1) : 0;
}

/* Appends to @seen all pages of [start, end) that criu dumps, and whether @frozen matches. Returns 0 or -errno. */
int scan_seen(int pagemap_fd, uint64_t start, uint64_t end, const struct scan_filter *frozen, struct run_set *seen)
{
	struct findings f = { .seen = seen, .frozen = frozen };
	struct pm_scan_arg arg = ask(start, end, frozen->mask | frozen->anyof);

	arg.flags = frozen->flags;
	return scan(pagemap_fd, &arg, NULL, &f);
}

/*
 * Appends to @set, which may be NULL, the pages of [start, end) that @filter lets
 * through, as state 1, and sets *@pages to how many there are. Returns 0 or -errno.
 */
int scan_matching(int pagemap_fd, uint64_t start, uint64_t end, const struct scan_filter *filter, struct run_set *set,
		  uint64_t *pages)
{
	struct findings f = { .known = set };
	struct pm_scan_arg arg = {
		.flags = filter->flags,
		.start = start,
		.end = end,
		.category_inverted = filter->inverted,
		.category_mask = filter->mask,
		.category_anyof_mask = filter->anyof,
		.return_mask = filter->mask | filter->anyof,
	};
	int ret = scan(pagemap_fd, &arg, record_matching, &f);

	*pages = f.counts.scanned;
	return ret;
}

/*
 * Finds the first page of [start, end) that matches. Returns 1 with its address in *@page,
 * 0, or -errno.
 */
int scan_first(int pagemap_fd, uint64_t start, uint64_t end, const struct scan_filter *filter, uint64_t *page)
{
	struct page_region region = {};
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = filter->flags,
		.start = start,
		.end = end,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.max_pages = 1,
		.category_inverted = filter->inverted,
		.category_mask = filter->mask,
		.category_anyof_mask = filter->anyof,
		.return_mask = filter->mask | filter->anyof,
	};
	int nr = ioctl(pagemap_fd, PAGEMAP_SCAN, &arg);

	if (nr == 1)
		*page = region.start;
	return nr < 0 ? -errno : nr;
}

/* The same for pages that are in all of @categories, the zero page too. */
int scan_find(int pagemap_fd, uint64_t start, uint64_t end, uint64_t categories, uint64_t *page)
{
	const struct scan_filter filter = { .mask = categories };

	return scan_first(pagemap_fd, start, end, &filter, page);
}

/*
 * Whether a mapping is registered for asynchronous write-protection, whether or not
 * there are pages in it. Returns 1 or 0.
 */
int scan_is_wp_async(int pagemap_fd, uint64_t start, uint64_t end)
{
	uint64_t page;

	return scan_find(pagemap_fd, start, start + PAGE_BYTES, PAGE_IS_WPALLOWED, &page) == 1;
}

/*
 * Whether a mapping is registered for read-write-protection. Its pages are either
 * protected or count as accessed; those of others are neither.
 *
 * Returns 1; 0; or -1 when there is no page in it.
 */
int scan_is_rwp(int pagemap_fd, uint64_t start, uint64_t end)
{
	uint64_t page, entry;

	if (scan_find(pagemap_fd, start, end, PAGE_IS_ACCESSED, &page) == 1)
		return 1;
	if (scan_find(pagemap_fd, start, end, PAGE_IS_PRESENT, &page) != 1 &&
	    scan_find(pagemap_fd, start, end, PAGE_IS_SWAPPED, &page) != 1)
		return -1;
	return pread(pagemap_fd, &entry, sizeof(entry), page / PAGE_BYTES * sizeof(entry)) == sizeof(entry) &&
	       (entry & PM_UFFD);
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

/*
 * Whether criu's question @arg can be answered from what was seen: where its pages lie
 * among those that scans have @covered, and it wants what these looked for, all that is
 * present or swapped but the zero page. Of file pages there are none where they look.
 */
bool scan_is_covered(const struct run_set *covered, const struct pm_scan_arg *arg)
{
	const uint64_t unwanted = PAGE_IS_PFNZERO | PAGE_IS_FILE, wanted = PAGE_IS_PRESENT | PAGE_IS_SWAPPED;
	const struct run *c = run_set_find(covered, arg->start);

	return c < covered->v + covered->nr && c->start <= arg->start && arg->end <= c->end && !arg->flags &&
	       !arg->max_pages && (arg->category_mask | PAGE_IS_FILE) == unwanted &&
	       arg->category_inverted == arg->category_mask && arg->category_anyof_mask == wanted &&
	       !(arg->return_mask & ~(wanted | PAGE_IS_SOFT_DIRTY));
}

/*
 * Does again from memory what PAGEMAP_SCAN would with @arg, but for soft-dirty bits: fills
 * its vec, and sets walk_end. Returns how many regions there are.
 */
size_t scan_again(const struct run_set *seen, struct pm_scan_arg *arg)
{
	struct page_region *out = (struct page_region *)(uintptr_t)arg->vec;
	const struct run *end = seen->v + seen->nr, *r = run_set_find(seen, arg->start);
	size_t nr = 0;

	arg->walk_end = arg->end;
	for (; r < end && r->start < arg->end; r++) {
		if (nr == arg->vec_len) {
			arg->walk_end = out[nr - 1].end;
			break;
		}
		out[nr++] = (struct page_region){
			.start = r->start > arg->start ? r->start : arg->start,
			.end = r->end < arg->end ? r->end : arg->end,
			.categories = arg->return_mask & (r->state & PAGE_SWAPPED ? PAGE_IS_SWAPPED : PAGE_IS_PRESENT),
		};
	}
	return nr;
}

static uint64_t answer_categories(uint64_t categories, unsigned int state, unsigned int hints)
{
	categories &= ~(uint64_t)PAGE_IS_SOFT_DIRTY;
	if (!(state & PAGE_CLEAN))
		categories |= PAGE_IS_SOFT_DIRTY;
	if (hints && !(state & PAGE_COLD))
		categories |= PAGE_IS_EAGER;
	return categories;
}

/* Makes stretches of less than @gap pages that are not eager, between some that are, eager. */
static void bridge_gaps(struct page_region *r, size_t nr, uint64_t gap)
{
	size_t i, begin = 0;
	uint64_t pages = 0;
	bool after_eager = false;

	for (i = 0; i < nr; i++) {
		if (!(r[i].categories & PAGE_IS_EAGER)) {
			pages += (r[i].end - r[i].start) / PAGE_BYTES;
			continue;
		}
		if (after_eager && pages < gap)
			for (; begin < i; begin++)
				r[begin].categories |= PAGE_IS_EAGER;
		after_eager = true;
		begin = i + 1;
		pages = 0;
	}
}

/* Joins neighbours that say the same. Returns how many are left. */
static size_t join_regions(struct page_region *r, size_t nr)
{
	size_t i, last = 0;

	for (i = 1; i < nr; i++) {
		if (r[i].start == r[last].end && r[i].categories == r[last].categories)
			r[last].end = r[i].end;
		else
			r[++last] = r[i];
	}
	return nr ? last + 1 : 0;
}

/* Cuts @in along the edges of what is known. See scan_answer(). */
static size_t cut_regions(const struct run_set *known, unsigned int hints, const struct page_region *in, size_t nr_in,
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

/*
 * What is answered in place of the kernel's answer @in to a PAGEMAP_SCAN: regions that
 * say what is known: PAGE_IS_SOFT_DIRTY on all that may differ from the parent image
 * and, with SCAN_HINTS, PAGE_IS_EAGER on all that may be in use, and on what lies in
 * between. Other categories stay. SCAN_HINTS_DUMPED: no page is left to parent images.
 *
 * Returns the number of regions in @out. When more than @nr_out are needed,
 * *walk_end is set to where the answer ends, for the caller to go on from;
 * otherwise it is left alone.
 */
size_t scan_answer(const struct run_set *known, unsigned int hints, const struct page_region *in, size_t nr_in,
		   struct page_region *out, size_t nr_out, uint64_t *walk_end)
{
	size_t nr = cut_regions(known, hints, in, nr_in, out, nr_out, walk_end);

	bridge_gaps(out, nr, hints & SCAN_HINTS_DUMPED ? COLD_GAP_DUMPED_PAGES : COLD_GAP_PAGES);
	return join_regions(out, nr);
}
