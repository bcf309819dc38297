// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel may do to pages by itself, or on the process's request, does
 * not open a deactivated page behind the handler's back in sync mode, makes up
 * no deactivated page in either mode, loses no content and forgets no write.
 *
 * Each test is a layout of pages, of which some are deactivated and some were
 * written to, a disturbance of all of them, and the mode. Its name is
 * MODE_LAYOUT_DISTURBANCE.
 */
#define _GNU_SOURCE
#include "lib.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

enum {
	KHUGEPAGED_SCANS = 3,
};

#define KHUGEPAGED "/sys/kernel/mm/transparent_hugepage/khugepaged/"

/* -- layouts: pages with seed 1, registered */

struct layout {
	u64 mode;		/* write-protected, or not */
	void (*init)(struct area *a, u64 features, u64 mode);
	rule_t written;		/* written with seed 2 afterwards */
	rule_t cold;		/* then deactivated */
};

static void large_init(struct area *a, u64 features, u64 mode)
{
	size_t pages = huge_pages();

	area_init_aligned(a, pages, pages * page_size, features, mode);
}

static const struct layout small = { MINOR_WP, area_init, third, even };
/* As many pages as a huge page has, where one could be */
static const struct layout large = { MINOR, large_init, third, even };
/* A huge page that is mapped as one */
static const struct layout huge = { MINOR_WP, huge_init, none, all };
/* A huge page that is mapped page by page */
static const struct layout split = { MINOR_WP, huge_init, third, even };
/* The same without write-protection, which would keep it from being collapsed */
static const struct layout shards = { MINOR, huge_init, third, even };

/* -- disturbances */

struct disturbance {
	void (*run)(const struct area *a);
	rule_t lost;		/* pages that need not survive it */
	bool may_overreport;	/* in sync mode */
};

static const struct disturbance pageout = { swap_out, none, false };
static const struct disturbance reclaim = { reclaim_cgroup, none, false };
static const struct disturbance migrated = { migrate_twice, none, false };
static const struct disturbance compact = { compact_memory, none, false };
static const struct disturbance ksm = { ksm_merge, none, false };

static void do_collapse(const struct area *a)
{
	int err = try_collapse(a);

	/* to leave such pages alone is one way to keep their state */
	if (err && err != -EINVAL && err != -EAGAIN && err != -EBUSY)
		skip("MADV_COLLAPSE: %s", strerror(-err));
}

static const struct disturbance collapse = { do_collapse, none, false };

static void run_khugepaged(const struct area *a)
{
	long scans = file_number(KHUGEPAGED "full_scans");
	char sleeps[32];

	if (scans < 0)
		skip("no khugepaged");
	snprintf(sleeps, sizeof(sleeps), "%ld",
		 file_number(KHUGEPAGED "scan_sleep_millisecs"));
	CHECK(file_write(KHUGEPAGED "scan_sleep_millisecs", "10"));
	CHECK(file_write(KHUGEPAGED "pages_to_scan", "65536"));
	CHECK(!madvise(a->mem, a->pages * page_size, MADV_HUGEPAGE));
	while (file_number(KHUGEPAGED "full_scans") < scans + KHUGEPAGED_SCANS)
		usleep(10000);
	/* or it collapses what the next test has set up only half of */
	CHECK(file_write(KHUGEPAGED "scan_sleep_millisecs", sleeps));
}

static const struct disturbance khugepaged = { run_khugepaged, none, false };

static void protect(const struct area *a, int prot)
{
	CHECK(!mprotect(a->mem, a->pages * page_size, prot));
}

static void mprotect_read(const struct area *a)
{
	protect(a, PROT_READ);
	protect(a, PROT_READ | PROT_WRITE);
	protect(a, PROT_READ | PROT_WRITE | PROT_EXEC);
	protect(a, PROT_READ | PROT_WRITE);
	protect_middle(a, PROT_READ);
	protect_middle(a, PROT_READ | PROT_WRITE);
}

static const struct disturbance readonly = { mprotect_read, none, false };

static void mprotect_none(const struct area *a)
{
	protect(a, PROT_NONE);
	EXPECT(a, all, DEACT, 0, 0);
	protect(a, PROT_READ | PROT_WRITE);
}

static const struct disturbance protnone = { mprotect_none, none, true };

static void free_middle(const struct area *a)
{
	CHECK(!madvise(page_of(a, PAGES / 3), PAGES / 3 * page_size,
		       MADV_FREE));
}

static const struct disturbance freed = { free_middle, middle, false };

static void cool_middle(const struct area *a)
{
	CHECK(!madvise(page_of(a, PAGES / 3), PAGES / 3 * page_size,
		       MADV_COLD));
}

static const struct disturbance cooled = { cool_middle, none, false };

static void pageout_middle(const struct area *a)
{
	need_swap();
	for (int i = 0; i < 5; i++)
		CHECK(!madvise(page_of(a, PAGES / 3), PAGES / 3 * page_size,
			       MADV_PAGEOUT));
}

static const struct disturbance partout = { pageout_middle, none, false };

static void lock_unlock(const struct area *a)
{
	size_t len = a->pages * page_size;

	if (syscall(SYS_mlock2, a->mem, len, MLOCK_ONFAULT))
		skip("mlock2: %s", strerror(errno));
	CHECK(!munlock(a->mem, len));
}

static const struct disturbance locked = { lock_unlock, none, false };

static void clear_references(const struct area *a)
{
	(void)a;
	CHECK(file_write("/proc/self/clear_refs", "1"));
	clear_soft_dirty();
}

static const struct disturbance clearrefs = { clear_references, none, false };

static void fork_once(const struct area *a);
static const struct disturbance forked = { fork_once, none, false };

static const struct disturbance hinted = { numa_hinting, none, false };

/* -- the test */

static const struct layout *layout;
static const struct disturbance *disturbance;

static bool is_kept(size_t page)
{
	return !disturbance->lost(page);
}

static u64 seed_of(size_t page)
{
	return layout->written(page) ? 2 : 1;
}

static bool kept_written(size_t page)
{
	return is_kept(page) && layout->written(page);
}

static bool kept_unwritten(size_t page)
{
	return is_kept(page) && !layout->written(page);
}

static void fork_once(const struct area *a)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		check_pages(a, kept_written, 2);
		check_pages(a, kept_unwritten, 1);
		write_pages(a, third, 7);
		_exit(0);
	}
	join_child(pid);
}

/* What the last scan said is allowed after the disturbance. */
static void check_states(const struct area *a, bool sync)
{
	for (size_t p = 0; p < a->pages; p++) {
		bool cold = layout->cold(p), is_cold = cats[p] & DEACT;

		if (sync && cold && is_kept(p) && !is_cold)
			fail("page %zu was opened, categories %#llx", p,
			     (unsigned long long)cats[p]);
		if (!cold && is_cold && !(sync && disturbance->may_overreport))
			fail("page %zu never was deactivated, categories %#llx",
			     p, (unsigned long long)cats[p]);
		if (layout->written(p) && cats[p] & POPULATED &&
		    !(cats[p] & WRITTEN))
			fail("page %zu has a write forgotten, categories %#llx",
			     p, (unsigned long long)cats[p]);
	}
}

/* Accesses all pages, and checks which of them gave a message. */
static void check_accesses(const struct area *a, struct handler *h, bool sync)
{
	static u64 before[MAX_PAGES];

	memcpy(before, cats, sizeof(before));
	check_pages(a, kept_written, 2);
	check_pages(a, kept_unwritten, 1);
	for (size_t p = 0; p < a->pages; p++) {
		size_t n = handler_count(h, p);

		if (!is_kept(p))
			continue;
		if (sync && layout->cold(p) && !n)
			fail("page %zu was accessed without a message", p);
		if (n && !(sync && before[p] & DEACT))
			fail("page %zu had %zu messages, categories %#llx", p,
			     n, (unsigned long long)before[p]);
	}
}

static void survive(const struct layout *l, const struct disturbance *d,
		    u64 features)
{
	const bool sync = features == SYNC;
	u64 buf[page_size / sizeof(u64)];
	struct handler h;
	struct area a;

	layout = l;
	disturbance = d;
	l->init(&a, features, l->mode);
	write_pages(&a, l->written, 2);
	if (l->cold == all)
		deactivate(&a);
	else
		deactivate_pages(&a, l->cold);
	EXPECT(&a, l->cold, DEACT, DEACT, 0);
	if (l->mode == MINOR_WP)
		MATCH(&a, l->written, WRITTEN, WRITTEN, 0);
	d->run(&a);
	scan(&a, POPULATED, 0);
	check_states(&a, sync);
	for (size_t p = 0; p < a.pages; p++) {
		if (!is_kept(p))
			continue;
		peek(&a, getpid(), p, buf);
		check_words(buf, p, seed_of(p));
	}
	scan(&a, POPULATED, 0);
	check_states(&a, sync);
	handler_start(&h, &a);
	check_accesses(&a, &h, sync);
	scan(&a, POPULATED, l->mode == MINOR_WP ? SCAN_ARM : 0);
	check_states(&a, false);
	for (size_t p = 0; p < a.pages; p++)
		CHECK_EQ(is_kept(p) && cats[p] & DEACT, 0);
	write_pages(&a, sixth, 3);
	check_pages(&a, sixth, 3);
	handler_stop(&h);
	if (l->mode == MINOR_WP)
		EXPECT(&a, sixth, WRITTEN, WRITTEN, 0);
}

/* Which disturbances go with which layouts */
#define CASES(X) \
	X(small, pageout) X(huge, pageout) X(split, pageout) \
	X(small, reclaim) X(huge, reclaim) X(split, reclaim) \
	X(small, migrated) X(huge, migrated) X(split, migrated) \
	X(small, compact) X(huge, compact) X(split, compact) \
	X(small, ksm) X(huge, ksm) X(split, ksm) \
	X(large, collapse) X(split, collapse) X(shards, collapse) \
	X(large, khugepaged) X(split, khugepaged) X(shards, khugepaged) \
	X(small, readonly) X(huge, readonly) X(split, readonly) \
	X(small, protnone) X(huge, protnone) X(split, protnone) \
	X(small, freed) X(huge, freed) X(split, freed) \
	X(small, cooled) X(huge, cooled) X(split, cooled) \
	X(small, partout) X(huge, partout) X(split, partout) \
	X(small, locked) X(huge, locked) \
	X(small, clearrefs) X(huge, clearrefs) \
	X(small, forked) X(huge, forked) X(split, forked) \
	X(small, hinted) X(huge, hinted)

#define FUNCTIONS(l, d) \
	static void sync_##l##_##d(void) { survive(&l, &d, SYNC); } \
	static void async_##l##_##d(void) { survive(&l, &d, ASYNC); }

#define ENTRIES(l, d) TEST(sync_##l##_##d), TEST(async_##l##_##d),

CASES(FUNCTIONS)

const struct test tests[] = {
	CASES(ENTRIES)
	{ 0 }
};
