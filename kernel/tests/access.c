// SPDX-License-Identifier: GPL-2.0
/* Deactivation and accesses by the process itself, in async mode. */
#define _GNU_SOURCE
#include <time.h>
#include <linux/futex.h>
#include "lib.h"

/* -- deactivation itself and accesses by the process */

static void stays_resident(void)
{
	unsigned char core[PAGES];
	u64 before[PAGES];
	struct area a;
	long rss;

	area_init(&a, ASYNC, MINOR_WP);
	rss = smaps_kb(&a, "Rss:");
	CHECK_EQ(rss, PAGES * page_size / 1024);
	for (size_t p = 0; p < PAGES; p++)
		before[p] = pagemap_entry(&a, p);
	deactivate(&a);
	EXPECT(&a, all, DEACT | PRESENT | WRITTEN, DEACT | PRESENT, 0);
	CHECK_EQ(smaps_kb(&a, "Rss:"), rss);
	CHECK(!mincore(a.mem, PAGES * page_size, core));
	for (size_t p = 0; p < PAGES; p++) {
		CHECK_EQ(core[p] & 1, 1);
		/* for root, this has the page frame number */
		CHECK_EQ(pagemap_entry(&a, p), before[p]);
	}
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | PRESENT | WRITTEN, PRESENT, 0);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(pagemap_entry(&a, p), before[p]);
}

static void part_of_range(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR);
	CHECK_EQ(try_deactivate(&a, PAGES / 3, PAGES / 3), 0);
	EXPECT(&a, middle, DEACT, DEACT, 0);
	deactivate(&a);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT, 0, 0);
}

static void read_thaws(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	check_pages(&a, third, 1);
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
}

static void write_thaws(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	write_pages(&a, third, 2);
	scan(&a, WRITTEN | DEACT, SCAN_ARM);
	MATCH(&a, third, DEACT | WRITTEN, WRITTEN, DEACT);
	/* and armed again by the scan that reported them */
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	write_pages(&a, sixth, 3);
	EXPECT(&a, sixth, WRITTEN, WRITTEN, 0);
	peek_pages(&a, getpid(), sixth, 3);
	EXPECT(&a, third, DEACT, 0, DEACT);
	deactivate(&a);
	/* deactivating is no writing, and forgets no write */
	EXPECT(&a, sixth, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
}

/* Without write-protection a thawed page is written to right away. */
static void write_thaws_minor_only(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR);
	write_pages(&a, even, 2);
	EXPECT(&a, even, DEACT, 0, DEACT);
	deactivate(&a);
	check_pages(&a, even, 2);
	EXPECT(&a, even, DEACT, 0, DEACT);
	write_pages(&a, all, 3);
	check_pages(&a, all, 3);
}

/* What was only ever read is the zero page, which is nobody's own. */
static void zero_page(void)
{
	struct area a;

	area_map(&a, PAGES, page_size);
	touch_pages(&a, all);
	area_register(&a, ASYNC, MINOR_WP);
	arm(&a);
	deactivate(&a);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	check_zero(&a, third);
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	deactivate(&a);
	write_pages(&a, even, 2);
	EXPECT(&a, even, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, even, 2);
	for (size_t p = 1; p < PAGES; p += 2)
		CHECK_EQ(*(u64 *)page_of(&a, p), 0);
}

static void unpopulated(void)
{
	struct area a;
	long rss;

	area_map(&a, PAGES, page_size);
	write_pages(&a, even, 1);
	area_register(&a, ASYNC, MINOR_WP);
	rss = smaps_kb(&a, "Rss:");
	deactivate(&a);
	EXPECT(&a, even, DEACT | POPULATED, DEACT | PRESENT, 0);
	CHECK_EQ(smaps_kb(&a, "Rss:"), rss);
	for (size_t p = 1; p < PAGES; p += 2)
		CHECK_EQ(pagemap_entry(&a, p) & ~PM_SOFT_DIRTY, 0);
	touch_pages(&a, all);
	EXPECT(&a, all, DEACT | PRESENT, PRESENT, 0);
	check_pages(&a, even, 1);
	for (size_t p = 1; p < PAGES; p += 2)
		CHECK_EQ(*(u64 *)page_of(&a, p), 0);
}

/* -- accesses by the kernel on the process's behalf */

static void kernel_reads(void)
{
	u64 buf[page_size / sizeof(u64)];
	struct area a;
	int fd[2];

	CHECK(!pipe(fd));
	area_init_cold(&a, ASYNC, MINOR_WP);
	for (size_t p = 0; p < PAGES; p += 3) {
		CHECK_EQ(write(fd[1], page_of(&a, p), page_size), page_size);
		CHECK_EQ(read(fd[0], buf, page_size), page_size);
		check_words(buf, p, 1);
	}
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
}

static void kernel_writes(void)
{
	u64 buf[page_size / sizeof(u64)];
	struct area a;
	int fd[2];

	CHECK(!pipe(fd));
	area_init_cold(&a, ASYNC, MINOR_WP);
	for (size_t p = 0; p < PAGES; p += 3) {
		for (size_t i = 0; i < ARRAY_SIZE(buf); i++)
			buf[i] = word_of(2, p, i);
		CHECK_EQ(write(fd[1], buf, page_size), page_size);
		CHECK_EQ(read(fd[0], page_of(&a, p), page_size), page_size);
	}
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, third, 2);
}

/* Futexes are read and written with page faults disabled at first. */
static void futex_accesses(void)
{
	struct timespec zero = { 0 };
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	CHECK(syscall(SYS_futex, page_of(&a, 0), FUTEX_WAIT_PRIVATE, -1,
		      &zero, NULL, 0) == -1 && errno == EAGAIN);
	EXPECT(&a, first, DEACT | WRITTEN, 0, DEACT);
	deactivate(&a);
	CHECK(syscall(SYS_futex, page_of(&a, 1), FUTEX_WAKE_OP_PRIVATE, 1, 1,
		      page_of(&a, 0), FUTEX_OP(FUTEX_OP_SET, 77,
					       FUTEX_OP_CMP_EQ, 0)) == 0);
	scan(&a, POPULATED, 0);
	CHECK_EQ(cats[0] & (DEACT | WRITTEN), WRITTEN);
	CHECK_EQ(cats[2] & (DEACT | WRITTEN), DEACT);
	CHECK_EQ(*(int *)a.mem, 77);
}

/* -- the other bits of an entry */

static void soft_dirty_survives(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR);
	clear_soft_dirty();
	write_pages(&a, even, 2);
	if (!(pagemap_entry(&a, 0) & PM_SOFT_DIRTY))
		skip("no soft-dirty tracking");
	EXPECT_BIT(&a, PM_SOFT_DIRTY, even);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, even);
	touch_pages(&a, all);
	EXPECT(&a, all, DEACT, 0, 0);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, even);
	deactivate(&a);
	write_pages(&a, third, 3);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, even_or_third);
	deactivate(&a);
	clear_soft_dirty();
	EXPECT_BIT(&a, PM_SOFT_DIRTY, none);
	touch_pages(&a, even);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, none);
	write_pages(&a, third, 4);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, third);
}

static void uffd_wp_survives(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR_WP);
	EXPECT_BIT(&a, PM_UFFD_WP, all);
	writeprotect(&a, false);
	EXPECT_BIT(&a, PM_UFFD_WP, none);
	deactivate(&a);
	EXPECT_BIT(&a, PM_UFFD_WP, none);
	write_pages(&a, all, 2);
	arm(&a);
	deactivate(&a);
	EXPECT_BIT(&a, PM_UFFD_WP, all);
	touch_pages(&a, even);
	EXPECT_BIT(&a, PM_UFFD_WP, all);
	write_pages(&a, even, 3);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(!(pagemap_entry(&a, p) & PM_UFFD_WP), even(p));
	deactivate(&a);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(!(pagemap_entry(&a, p) & PM_UFFD_WP), even(p));
	EXPECT(&a, even, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
}

static void writeprotect_keeps_cold(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	check_pages(&a, third, 1);
	writeprotect(&a, false);
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, DEACT | WRITTEN);
	writeprotect(&a, true);
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	write_pages(&a, even, 2);
	EXPECT(&a, even, WRITTEN, WRITTEN, 0);
	EXPECT(&a, even_or_third, DEACT, 0, DEACT);
	check_pages(&a, even, 2);
}

const struct test tests[] = {
	TEST(stays_resident),
	TEST(part_of_range),
	TEST(read_thaws),
	TEST(write_thaws),
	TEST(write_thaws_minor_only),
	TEST(zero_page),
	TEST(unpopulated),
	TEST(kernel_reads),
	TEST(kernel_writes),
	TEST(futex_accesses),
	TEST(soft_dirty_survives),
	TEST(uffd_wp_survives),
	TEST(writeprotect_keeps_cold),
	{ 0 }
};
