// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that go away, move and come back: swap, migration, collapse, KSM. What
 * they have in common is in survive.c.
 */
#define _GNU_SOURCE
#include "lib.h"

/* May drop the state, but makes up none and loses no write. */
static void collapse(void)
{
	struct area a;
	size_t pages = huge_pages();

	area_init_aligned(&a, pages, pages * page_size, ASYNC, MINOR);
	deactivate(&a);
	check_pages(&a, third, 1);
	CHECK(!madvise(a.mem, pages * page_size, MADV_HUGEPAGE));
	if (madvise(a.mem, pages * page_size, MADV_COLLAPSE))
		skip("MADV_COLLAPSE: %s", strerror(errno));
	EXPECT(&a, all, DEACT | HUGE, HUGE, 0);
	check_pages(&a, all, 1);
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE, DEACT | HUGE, 0);
	check_pages(&a, all, 1);
}

/* -- pages that go away, move, and come back */

static void dontneed(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	CHECK(!madvise(page_of(&a, PAGES / 3), PAGES / 3 * page_size,
		       MADV_DONTNEED));
	EXPECT(&a, middle, DEACT | PRESENT, 0, DEACT | PRESENT);
	check_zero(&a, middle);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	check_pages(&a, not_middle, 1);
}

static void swap_keeps_content(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	check_pages(&a, third, 1);
	swap_out(&a);
	for (size_t p = 0; p < PAGES; p++)
		if (third(p))
			CHECK_EQ(cats[p] & DEACT, 0);
	peek_pages(&a, getpid(), all, 1);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < PAGES; p++)
		if (third(p))
			CHECK_EQ(cats[p] & DEACT, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	write_pages(&a, all, 2);
	check_pages(&a, all, 2);
	EXPECT(&a, all, WRITTEN, WRITTEN, 0);
}

static void swap_keeps_written(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR_WP);
	write_pages(&a, third, 2);
	deactivate(&a);
	EXPECT(&a, third, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
	swap_out(&a);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	deactivate(&a);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	check_pages(&a, third, 2);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	write_pages(&a, even, 3);
	EXPECT(&a, even_or_third, WRITTEN, WRITTEN, 0);
	touch_pages(&a, all);
	deactivate(&a);
	EXPECT(&a, even_or_third, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
	check_pages(&a, even, 3);
}

static void thp_swap(void)
{
	struct area a;

	huge_init_cold(&a, ASYNC, MINOR_WP);
	write_pages(&a, first, 2);
	swap_out(&a);
	EXPECT(&a, first, WRITTEN, WRITTEN, 0);
	check_pages(&a, first, 2);
	for (size_t p = 1; p < a.pages; p++)
		CHECK_EQ(*(u64 *)page_of(&a, p), word_of(1, p, 0));
	EXPECT(&a, first, DEACT | WRITTEN, WRITTEN, 0);
}

static void migration(void)
{
	struct area a;

	need_two_nodes();
	area_init(&a, ASYNC, MINOR_WP);
	write_pages(&a, third, 2);
	deactivate(&a);
	check_pages(&a, sixth, 2);
	migrate(&a, 0);
	CHECK_EQ(migrate(&a, 1), PAGES);
	scan(&a, POPULATED, 0);
	MATCH(&a, third, WRITTEN, WRITTEN, 0);
	for (size_t p = 0; p < PAGES; p += 6)
		CHECK_EQ(cats[p] & DEACT, 0);
	check_pages(&a, third, 2);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	deactivate(&a);
	EXPECT(&a, third, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
	write_pages(&a, all, 3);
	check_pages(&a, all, 3);
	EXPECT(&a, all, DEACT | WRITTEN, WRITTEN, 0);
}

/* -- in sync mode, and KSM */

static void dontneed_sync(void)
{
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	CHECK(!madvise(page_of(&a, PAGES / 3), PAGES / 3 * page_size,
		       MADV_DONTNEED));
	EXPECT(&a, middle, DEACT | PRESENT, 0, DEACT | PRESENT);
	check_zero(&a, middle);
	CHECK(!has_message(a.uffd));
	EXPECT(&a, middle, DEACT, 0, DEACT);
	peek_pages(&a, getpid(), not_middle, 1);
}

/* Pages that were given up are old or zero, and what is written then stays. */
static void madvise_free(u64 features)
{
	struct handler h;
	struct area a;
	u64 word;

	area_init_cold(&a, features, MINOR_WP);
	CHECK(!madvise(a.mem, PAGES * page_size, MADV_FREE));
	handler_start(&h, &a);
	write_pages(&a, third, 2);
	reclaim_cgroup(&a);
	check_pages(&a, third, 2);
	for (size_t p = 0; p < PAGES; p++) {
		word = *(u64 *)page_of(&a, p);
		CHECK(third(p) || !word || word == word_of(1, p, 0));
	}
	write_pages(&a, all, 3);
	check_pages(&a, all, 3);
	handler_stop(&h);
	EXPECT(&a, all, WRITTEN | DEACT, WRITTEN, 0);
}

static void madvise_free_async(void)
{
	madvise_free(ASYNC);
}

static void madvise_free_sync(void)
{
	madvise_free(SYNC);
}

static bool not_third(size_t page)
{
	return !third(page);
}

/*
 * Swapped out while active, and deactivated there: the access brings it back
 * and is told all the same.
 */
static void swapped_is_deactivated(void)
{
	struct handler h;
	struct area a;

	area_init(&a, SYNC, MINOR_WP);
	write_pages(&a, third, 2);
	swap_out(&a);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	MATCH(&a, third, WRITTEN, WRITTEN, 0);
	peek_pages(&a, getpid(), third, 2);
	EXPECT(&a, all, DEACT, DEACT, 0);
	handler_start(&h, &a);
	check_pages(&a, third, 2);
	check_pages(&a, not_third, 1);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), 1);
	handler_stop(&h);
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, 0);
}

/* UFFDIO_CONTINUE on a page that is not there at the moment */
static void swapped_continued(void)
{
	struct area a;

	area_init(&a, SYNC, MINOR_WP);
	swap_out(&a);
	deactivate(&a);
	do_continue(&a, 0, PAGES / 2);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(!(cats[p] & DEACT), p < PAGES / 2);
	CHECK_EQ(try_continue(&a, 0, 1, 0, NULL), -EEXIST);
	for (size_t p = 0; p < PAGES / 2; p++)
		check_words((u64 *)page_of(&a, p), p, 1);
	CHECK(!has_message(a.uffd));
}

static void expect_merged(void)
{
	if (file_number("/sys/kernel/mm/ksm/pages_sharing") <= 0)
		fail("KSM has merged nothing");
}

/* Merged pages can be deactivated like others, and are copied when written. */
static void ksm_pages(u64 features)
{
	struct handler h;
	struct area a;

	area_init(&a, features, MINOR_WP);
	ksm_merge(&a);
	expect_merged();
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	handler_start(&h, &a);
	check_pages(&a, third, 1);
	write_pages(&a, even, 2);
	handler_stop(&h);
	EXPECT(&a, even_or_third, DEACT, 0, DEACT);
	MATCH(&a, even, WRITTEN, WRITTEN, 0);
	check_pages(&a, even, 2);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p),
			 features == SYNC && even_or_third(p));
}

static void ksm_pages_async(void)
{
	ksm_pages(ASYNC);
}

static void ksm_pages_sync(void)
{
	ksm_pages(SYNC);
}

/* What is tracked by page stays with the page, deactivated or not. */
static void ksm_keeps_tracking(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR_WP);
	write_pages(&a, third, 2);
	clear_soft_dirty();
	write_pages(&a, sixth, 3);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, sixth);
	ksm_merge(&a);
	expect_merged();
	EXPECT_BIT(&a, PM_SOFT_DIRTY, sixth);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	MATCH(&a, all, DEACT, 0, DEACT);
}

/* Taken apart again while they are deactivated */
static void ksm_unmerge(u64 features)
{
	struct handler h;
	struct area a;

	area_init(&a, features, MINOR_WP);
	ksm_merge(&a);
	expect_merged();
	deactivate(&a);
	handler_start(&h, &a);
	CHECK(!madvise(a.mem, PAGES * page_size, MADV_UNMERGEABLE));
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < PAGES; p++)
		CHECK(features == ASYNC || cats[p] & DEACT ||
		      handler_count(&h, p));
	peek_pages(&a, getpid(), all, 1);
	check_pages(&a, all, 1);
	write_pages(&a, even, 2);
	EXPECT(&a, all, DEACT, 0, 0);
	for (size_t p = 0; p < PAGES; p += 2)
		CHECK_EQ(cats[p] & WRITTEN, WRITTEN);
	handler_stop(&h);
}

static void ksm_unmerge_async(void)
{
	ksm_unmerge(ASYNC);
}

static void ksm_unmerge_sync(void)
{
	ksm_unmerge(SYNC);
}

/* -- a new registration has nothing of the one before */

static void expect_nothing_comes_back(u64 features, bool inaccessible)
{
	struct area a;

	area_init_cold(&a, features, MINOR_WP);
	swap_out(&a);
	if (inaccessible)
		protect_middle(&a, PROT_NONE);
	unregister(&a, 0, PAGES);
	if (inaccessible)
		protect_middle(&a, PROT_READ | PROT_WRITE);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR_WP, NULL), 0);
	EXPECT(&a, all, DEACT, 0, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT, 0, 0);
	CHECK(!has_message(a.uffd));
}

static void nothing_comes_back_async(void)
{
	expect_nothing_comes_back(ASYNC, false);
	expect_nothing_comes_back(ASYNC, true);
}

static void nothing_comes_back_sync(void)
{
	expect_nothing_comes_back(SYNC, false);
	expect_nothing_comes_back(SYNC, true);
}

/*
 * -- hints of NUMA balancing look the same and are none. Once there was one, the kernel
 * looks for more in all that is registered: these tests are the last.
 */

static void expect_registered_hints_are_not_cold(struct area *a)
{
	area_register(a, SYNC, MINOR);
	EXPECT(a, all, DEACT, 0, 0);
	check_pages(a, all, 1);
	CHECK(!has_message(a->uffd));
}

static void numa_hints_are_not_cold(void)
{
	struct area a;

	area_map(&a, PAGES, page_size);
	write_pages(&a, all, 1);
	numa_hinting(&a);
	expect_registered_hints_are_not_cold(&a);
}

static void numa_hints_of_a_child(void)
{
	long faults;
	struct area a;
	pid_t pid;

	area_map(&a, PAGES, page_size);
	write_pages(&a, all, 1);
	numa_hinting(&a);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		expect_registered_hints_are_not_cold(&a);
		_exit(0);
	}
	join_child(pid);
	/* It did have hints, as far as its parent can tell. */
	faults = numa_hint_faults();
	check_pages(&a, all, 1);
	if (numa_hint_faults() == faults)
		skip("NUMA balancing has hinted other pages");
}

const struct test tests[] = {
	TEST(collapse),
	TEST(dontneed),
	TEST(swap_keeps_content),
	TEST(swap_keeps_written),
	TEST(thp_swap),
	TEST(migration),
	TEST(dontneed_sync),
	TEST(madvise_free_async),
	TEST(madvise_free_sync),
	TEST(swapped_is_deactivated),
	TEST(swapped_continued),
	TEST(ksm_pages_async),
	TEST(ksm_pages_sync),
	TEST(ksm_keeps_tracking),
	TEST(ksm_unmerge_async),
	TEST(ksm_unmerge_sync),
	TEST(nothing_comes_back_async),
	TEST(nothing_comes_back_sync),
	TEST(numa_hints_are_not_cold),
	TEST(numa_hints_of_a_child),
	{ 0 }
};
