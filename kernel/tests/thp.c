// SPDX-License-Identifier: GPL-2.0
/* Transparent huge pages, in async and in sync mode. */
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

/* -- sync mode */

static bool page_five(size_t page)
{
	return page == 5;
}

static void sync_continue_whole(void)
{
	struct area a;

	huge_init_cold(&a, SYNC, MINOR_WP);
	do_continue(&a, 0, a.pages);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, HUGE, 0);
	check_pages(&a, all, 1);
	CHECK(!has_message(a.uffd));
	write_pages(&a, first, 2);
	EXPECT(&a, first, WRITTEN, WRITTEN, 0);
}

static void sync_continue_whole_wakes(void)
{
	struct access acc[4];
	struct area a;

	huge_init_cold(&a, SYNC, MINOR);
	for (size_t i = 0; i < ARRAY_SIZE(acc); i++)
		access_start(&acc[i], i % 2 ? ACCESS_WRITE : ACCESS_READ,
			     page_of(&a, 100 * i));
	for (size_t i = 0; i < ARRAY_SIZE(acc); i++)
		access_waits(&acc[i]);
	EXPECT(&a, all, DEACT | HUGE, DEACT | HUGE, 0);
	do_continue(&a, 0, a.pages);
	for (size_t i = 0; i < ARRAY_SIZE(acc); i++)
		access_join(&acc[i]);
	EXPECT(&a, all, DEACT | HUGE, HUGE, 0);
	for (size_t i = 0; i < ARRAY_SIZE(acc); i += 2)
		CHECK_EQ(acc[i].word, word_of(1, 100 * i, 0));
}

static void sync_continue_part(void)
{
	struct handler h;
	struct area a;

	huge_init_cold(&a, SYNC, MINOR_WP);
	do_continue(&a, PAGES / 3, PAGES / 3);
	EXPECT(&a, middle, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, middle, 1);
	CHECK(!has_message(a.uffd));
	handler_start(&h, &a);
	check_pages(&a, even, 1);
	write_pages(&a, first, 2);
	handler_stop(&h);
	for (size_t p = 0; p < a.pages; p++)
		CHECK_EQ(handler_count(&h, p), even(p) && !middle(p));
	EXPECT(&a, first, WRITTEN, WRITTEN, 0);
}

/* The message has the page in the huge page, and one page is thawed. */
static void sync_access(void)
{
	struct access acc;
	struct area a;

	for (int write = 0; write < 2; write++) {
		huge_init_cold(&a, SYNC, MINOR_WP);
		access_start(&acc, write ? ACCESS_WRITE : ACCESS_READ,
			     page_of(&a, 5) + 128);
		EXPECT_MESSAGE(&a, 5, FLAG_MINOR | (write ? FLAG_WRITE : 0));
		access_waits(&acc);
		EXPECT(&a, all, DEACT | HUGE, DEACT | HUGE, 0);
		do_continue(&a, 5, 1);
		access_join(&acc);
		EXPECT(&a, page_five, DEACT | WRITTEN, write ? WRITTEN : 0,
		       DEACT);
		if (!write)
			CHECK_EQ(acc.word, word_of(1, 5, 16));
	}
}

static bool straddled(size_t page)
{
	const size_t pages = huge_pages();

	return page >= pages / 2 && page < pages + pages / 2;
}

/* From the middle of one huge page to that of the next */
static void sync_continue_straddles(void)
{
	size_t pages = huge_pages();
	struct area a;

	area_map(&a, 2 * pages, pages * page_size);
	CHECK(!madvise(a.mem, 2 * pages * page_size, MADV_HUGEPAGE));
	write_pages(&a, all, 1);
	area_register(&a, SYNC, MINOR_WP);
	arm(&a);
	deactivate(&a);
	scan(&a, POPULATED, 0);
	if (count(&a, HUGE) != a.pages)
		skip("got no huge pages");
	MATCH(&a, all, DEACT, DEACT, 0);
	do_continue(&a, pages / 2, pages);
	EXPECT(&a, straddled, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, straddled, 1);
	do_continue(&a, 0, pages / 2);
	do_continue(&a, pages + pages / 2, pages / 2);
	check_pages(&a, all, 1);
	CHECK(!has_message(a.uffd));
}

/* The rest is active already: it comes as far as it can. */
static void sync_continue_partly_active(void)
{
	struct area a;
	s64 mapped;

	huge_init(&a, SYNC, MINOR);
	CHECK_EQ(try_deactivate(&a, 0, PAGES), 0);
	CHECK_EQ(try_continue(&a, 0, a.pages, 0, &mapped), -EAGAIN);
	CHECK_EQ(mapped, PAGES * page_size);
	CHECK_EQ(try_continue(&a, 0, a.pages, 0, &mapped), -EEXIST);
	EXPECT(&a, all, DEACT, 0, 0);
	check_pages(&a, all, 1);
}

static void sync_continue_active(void)
{
	struct area a;

	huge_init(&a, SYNC, MINOR_WP);
	CHECK_EQ(try_continue(&a, 0, a.pages, 0, NULL), -EEXIST);
	CHECK_EQ(try_continue(&a, 5, 1, 0, NULL), -EEXIST);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
	check_pages(&a, all, 1);
}

static void sync_continue_mode_wp(void)
{
	struct area a;

	for (int part = 0; part < 2; part++) {
		huge_init(&a, SYNC, MINOR_WP);
		writeprotect(&a, false);
		deactivate(&a);
		EXPECT(&a, all, DEACT | WRITTEN, DEACT | WRITTEN, 0);
		CHECK_EQ(try_continue(&a, part ? PAGES / 3 : 0,
				      part ? PAGES / 3 : a.pages,
				      UFFDIO_CONTINUE_MODE_WP, NULL), 0);
		EXPECT(&a, part ? middle : all, DEACT | WRITTEN, 0,
		       DEACT | WRITTEN);
		write_pages(&a, part ? middle : all, 2);
		EXPECT(&a, all, WRITTEN, WRITTEN, 0);
		check_pages(&a, part ? middle : all, 2);
	}
}

static void sync_zero_page(void)
{
	struct handler h;
	struct area a;

	huge_map(&a);
	touch_pages(&a, first);
	area_register(&a, SYNC, MINOR_WP);
	scan(&a, POPULATED, SCAN_ARM);
	if (!(cats[1] & HUGE))
		skip("got no huge zero page");
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE, 0);
	do_continue(&a, 0, a.pages);
	check_zero(&a, all);
	deactivate(&a);
	do_continue(&a, PAGES / 3, PAGES / 3);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	check_zero(&a, middle);
	handler_start(&h, &a);
	write_pages(&a, even, 2);
	check_pages(&a, even, 2);
	handler_stop(&h);
	for (size_t p = 0; p < a.pages; p++)
		CHECK_EQ(handler_count(&h, p), even(p) && !middle(p));
	EXPECT(&a, even, WRITTEN, WRITTEN, 0);
}

static void sync_fork(void)
{
	struct handler h;
	struct area a;

	huge_init_cold(&a, SYNC, MINOR_WP);
	handler_start(&h, &a);
	expect_fork_isolates(&a);
	handler_stop(&h);
	for (size_t p = 0; p < a.pages; p++)
		CHECK_EQ(handler_count(&h, p), 1);
}

static void sync_mremap_thaws(void)
{
	struct area a;

	for (size_t shift = 0; shift < 2; shift++) {
		huge_init_cold(&a, SYNC, MINOR);
		expect_mremap_frees(&a, a.pages * page_size, shift);
		CHECK(!has_message(a.uffd));
	}
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
	TEST(sync_continue_whole),
	TEST(sync_continue_whole_wakes),
	TEST(sync_continue_part),
	TEST(sync_access),
	TEST(sync_continue_straddles),
	TEST(sync_continue_partly_active),
	TEST(sync_continue_active),
	TEST(sync_continue_mode_wp),
	TEST(sync_zero_page),
	TEST(sync_fork),
	TEST(sync_mremap_thaws),
	{ 0 }
};
