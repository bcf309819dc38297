// SPDX-License-Identifier: GPL-2.0
/* Pages that go away, move and come back: swap, migration, collapse. */
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

const struct test tests[] = {
	TEST(collapse),
	TEST(dontneed),
	TEST(swap_keeps_content),
	TEST(swap_keeps_written),
	TEST(thp_swap),
	TEST(migration),
	{ 0 }
};
