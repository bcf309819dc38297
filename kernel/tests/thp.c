// SPDX-License-Identifier: GPL-2.0
/* Transparent huge pages, in async mode. */
#define _GNU_SOURCE
#include "lib.h"

static void thp_whole(void)
{
	struct area a;
	long rss;

	huge_init(&a, ASYNC, MINOR_WP);
	rss = smaps_kb(&a, "Rss:");
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE, 0);
	CHECK_EQ(smaps_kb(&a, "Rss:"), rss);
	peek_pages(&a, getpid(), sixth, 1);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE, 0);
	touch_pages(&a, first);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, HUGE, 0);
	check_pages(&a, all, 1);
}

static void thp_write_minor_only(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR);
	write_pages(&a, third, 2);
	EXPECT(&a, all, DEACT | HUGE, HUGE, 0);
	check_pages(&a, third, 2);
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE, DEACT | HUGE, 0);
	check_pages(&a, third, 2);
}

static void thp_partial(void)
{
	struct area a;

	huge_init(&a, ASYNC, MINOR_WP);
	CHECK_EQ(try_deactivate(&a, PAGES / 3, PAGES / 3), 0);
	EXPECT(&a, middle, DEACT | WRITTEN, DEACT, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
}

/* Who writes one page has not used the other 511. */
static void thp_write_one(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR_WP);
	write_pages(&a, first, 2);
	EXPECT(&a, first, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, first, 2);
	for (size_t p = 1; p < a.pages; p++)
		CHECK_EQ(*(u64 *)page_of(&a, p), word_of(1, p, 0));
}

/* The same by get_user_pages, which follows the entry on its own. */
static void thp_vm_writev_one(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR_WP);
	poke_vm_writev(&a, getpid(), 0);
	EXPECT(&a, first, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, first, 2);
}

static void thp_forced_write_thaws(void)
{
	struct area a;

	huge_init(&a, ASYNC, MINOR);
	CHECK(!mprotect(a.mem, a.pages * page_size, PROT_READ));
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE, DEACT | HUGE, 0);
	poke_proc_mem(&a, getpid(), 0);
	scan(&a, POPULATED, 0);
	CHECK_EQ(cats[0] & DEACT, 0);
	check_pages(&a, first, 2);
}

static void thp_writeprotect_keeps_cold(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR_WP);
	writeprotect(&a, false);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE | WRITTEN, 0);
	writeprotect(&a, true);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, HUGE, 0);
}

/* A part that is unregistered or protected takes its part of the huge page. */
static void thp_split_keeps_cold(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR_WP);
	protect_middle(&a, PROT_READ);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < a.pages; p++)
		if (!middle(p))
			CHECK_EQ(cats[p] & (DEACT | HUGE | WRITTEN), DEACT);
	unregister(&a, PAGES / 3, PAGES / 3);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	CHECK(!madvise(page_of(&a, PAGES + 1), page_size, MADV_DONTNEED));
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < a.pages; p++)
		CHECK_EQ(cats[p] & DEACT,
			 p == PAGES + 1 || middle(p) ? 0 : DEACT);
	check_pages(&a, middle, 1);
	check_pages(&a, even, 1);
}

static void thp_unregister_thaws(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR_WP);
	unregister(&a, 0, a.pages);
	EXPECT(&a, all, DEACT | HUGE, HUGE, 0);
	expect_ordinary(&a, 1);
}

static void thp_fork(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR_WP);
	expect_fork_isolates(&a);
}

static void thp_mremap_thaws(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR_WP);
	expect_mremap_frees(&a, a.pages * page_size, 0);
}

/* To where no huge page fits, so that it is split on the way */
static void thp_mremap_split_thaws(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR);
	expect_mremap_frees(&a, a.pages * page_size, 1);
}

static void huge_zero_init_cold(struct area *a)
{
	huge_map(a);
	touch_pages(a, first);
	area_register(a, ASYNC, MINOR_WP);
	scan(a, POPULATED, SCAN_ARM);
	if (!(cats[1] & HUGE))
		skip("got no huge zero page");
	deactivate(a);
	EXPECT(a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE, 0);
}

static void thp_zero_page(void)
{
	struct area a;

	huge_zero_init_cold(&a);
	check_zero(&a, first);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
	deactivate(&a);
	write_pages(&a, first, 2);
	EXPECT(&a, first, WRITTEN, WRITTEN, 0);
	check_pages(&a, first, 2);
	for (size_t p = 1; p < a.pages; p++)
		CHECK_EQ(*(u64 *)page_of(&a, p), 0);
}

static void thp_zero_split_keeps_cold(void)
{
	struct area a;

	huge_zero_init_cold(&a);
	unregister(&a, PAGES / 3, PAGES / 3);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	check_zero(&a, all);
	write_pages(&a, even, 2);
	check_pages(&a, even, 2);
}

static void thp_soft_dirty_survives(void)
{
	struct area a;

	huge_init(&a, ASYNC, MINOR);
	clear_soft_dirty();
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, none);
	touch_pages(&a, first);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, none);
	deactivate(&a);
	write_pages(&a, first, 2);
	if (!(pagemap_entry(&a, 0) & PM_SOFT_DIRTY))
		fail("a write after clear_refs is not soft-dirty");
	deactivate(&a);
	CHECK_EQ(!(pagemap_entry(&a, 0) & PM_SOFT_DIRTY), 0);
	check_pages(&a, first, 2);
}

const struct test tests[] = {
	TEST(thp_whole),
	TEST(thp_write_minor_only),
	TEST(thp_partial),
	TEST(thp_write_one),
	TEST(thp_vm_writev_one),
	TEST(thp_forced_write_thaws),
	TEST(thp_writeprotect_keeps_cold),
	TEST(thp_split_keeps_cold),
	TEST(thp_unregister_thaws),
	TEST(thp_fork),
	TEST(thp_mremap_thaws),
	TEST(thp_mremap_split_thaws),
	TEST(thp_zero_page),
	TEST(thp_zero_split_keeps_cold),
	TEST(thp_soft_dirty_survives),
	{ 0 }
};
