// SPDX-License-Identifier: GPL-2.0
/*
 * mprotect, fork, mremap and the end of the registration: in async mode, and in
 * sync mode where nobody waits. For those who wait, see leave.c and event.c.
 */
#define _GNU_SOURCE
#include <signal.h>
#include "lib.h"

/* -- mprotect */

static void prot_none_is_not_cold(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR_WP);
	protect_middle(&a, PROT_NONE);
	EXPECT(&a, all, DEACT, 0, 0);
	deactivate(&a);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	expect_signal(SIGSEGV, page_of(&a, PAGES / 3), false);
	protect_middle(&a, PROT_READ | PROT_WRITE);
	EXPECT(&a, middle, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, middle, 1);
	write_pages(&a, middle, 2);
	EXPECT(&a, middle, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, not_middle, 1);
}

/* Registered while it is inaccessible, which leaves nothing to tell by. */
static void prot_none_registered(void)
{
	struct area a;

	area_map(&a, PAGES, page_size);
	write_pages(&a, all, 1);
	protect_middle(&a, PROT_NONE);
	area_register(&a, ASYNC, MINOR);
	EXPECT(&a, all, DEACT, 0, 0);
	protect_middle(&a, PROT_READ | PROT_WRITE);
	EXPECT(&a, all, DEACT, 0, 0);
	protect_middle(&a, PROT_NONE);
	unregister(&a, 0, PAGES);
	expect_signal(SIGSEGV, page_of(&a, PAGES / 3), false);
	protect_middle(&a, PROT_READ | PROT_WRITE);
	check_pages(&a, all, 1);
}

static void cold_through_prot_none(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	write_pages(&a, third, 2);
	protect_middle(&a, PROT_NONE);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(cats[p] & DEACT, middle(p) || third(p) ? 0 : DEACT);
	protect_middle(&a, PROT_READ | PROT_WRITE);
	scan(&a, POPULATED, 0);
	MATCH(&a, third, WRITTEN, WRITTEN, 0);
	for (size_t p = 0; p < PAGES; p++)
		if (third(p) || !middle(p))
			CHECK_EQ(cats[p] & DEACT, third(p) ? 0 : DEACT);
	check_pages(&a, third, 2);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	write_pages(&a, all, 3);
	EXPECT(&a, all, DEACT | WRITTEN, WRITTEN, 0);
}

/* Giving access back gives no more than the VMA has. */
static void read_only_stays_read_only(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR_WP);
	CHECK(!mprotect(a.mem, PAGES * page_size, PROT_READ));
	deactivate(&a);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	expect_signal(SIGSEGV, page_of(&a, 1), true);
	check_pages(&a, even, 1);
	expect_signal(SIGSEGV, page_of(&a, 0), true);
	scan(&a, POPULATED, 0);
	MATCH(&a, all, WRITTEN, 0, 0);
	deactivate(&a);
	unregister(&a, 0, PAGES);
	expect_signal(SIGSEGV, page_of(&a, 0), true);
	check_pages(&a, all, 1);
}

/* -- the end of the registration */

static void unregister_thaws(void)
{
	long faults;
	struct area a;

	for (int wp = 0; wp < 2; wp++) {
		area_init_cold(&a, ASYNC, wp ? MINOR_WP : MINOR);
		unregister(&a, 0, PAGES);
		faults = numa_hint_faults();
		expect_ordinary(&a, 1);
		CHECK_EQ(numa_hint_faults() - faults, 0);
		CHECK_EQ(try_deactivate(&a, 0, PAGES), -ENOENT);
		/* nothing comes back with a new registration */
		CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), 0);
		EXPECT(&a, all, DEACT, 0, 0);
	}
}

static void unregister_part(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	unregister(&a, PAGES / 3, PAGES / 3);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	write_pages(&a, middle, 2);
	check_pages(&a, middle, 2);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	check_pages(&a, not_middle, 1);
}

static void last_close_thaws(void)
{
	long faults;
	struct area a;
	int copy;

	area_init_cold(&a, ASYNC, MINOR_WP);
	copy = dup(a.uffd);
	CHECK(copy >= 0);
	close(a.uffd);
	EXPECT(&a, all, DEACT, DEACT, 0);
	close(copy);
	faults = numa_hint_faults();
	expect_ordinary(&a, 1);
	CHECK_EQ(numa_hint_faults() - faults, 0);
}

/* The holder deactivates in a loop until it is killed in the middle of it. */
static void __attribute__((noreturn)) holder_main(const struct area *a,
						  int ready)
{
	char c = 0;

	deactivate(a);
	EXPECT(a, all, DEACT, DEACT, 0);
	CHECK(write(ready, &c, 1) == 1);
	while (1)
		deactivate(a);
}

static void holder_killed(void)
{
	struct area a;
	int ready[2];
	pid_t pid;
	char c;

	CHECK(!pipe(ready));
	area_init(&a, ASYNC, MINOR_WP);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		holder_main(&a, ready[1]);
	close(ready[1]);
	close(a.uffd);
	if (read(ready[0], &c, 1) != 1)
		join_child(pid);
	for (u64 seed = 1; seed <= 20; seed++) {
		check_pages(&a, all, seed);
		write_pages(&a, all, seed + 1);
	}
	CHECK(!kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	expect_ordinary(&a, 21);
	a.uffd = open_uffd(ASYNC);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), 0);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
}

/* -- fork and mremap */

static void fork_child_is_free(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	expect_fork_isolates(&a);
}

/* The parent's first write after the fork has to copy, thaw and be noticed. */
static void fork_parent_writes(void)
{
	struct area a;
	int go[2];
	pid_t pid;
	char c;

	CHECK(!pipe(go));
	area_init_cold(&a, ASYNC, MINOR_WP);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(go[1]);
		CHECK(read(go[0], &c, 1) == 0);
		check_pages(&a, all, 1);
		_exit(0);
	}
	write_pages(&a, third, 2);
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, DEACT);
	close(go[1]);
	join_child(pid);
	check_pages(&a, third, 2);
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, DEACT);
}

static void mremap_thaws(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	expect_mremap_frees(&a, page_size, 0);
}

/* Whole page tables could be moved without a look at the entries. */
static void mremap_aligned_thaws(void)
{
	const size_t align = 2 << 20;
	struct area a;

	area_init_aligned(&a, 2 * align / page_size, align, ASYNC, MINOR);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	expect_mremap_frees(&a, align, 0);
}

/* -- the same in sync mode */

static void read_only_sync(void)
{
	struct handler h;
	struct area a;

	area_init(&a, SYNC, MINOR_WP);
	CHECK(!mprotect(a.mem, PAGES * page_size, PROT_READ));
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	expect_signal(SIGSEGV, page_of(&a, 1), true);
	CHECK(!has_message(a.uffd));
	handler_start(&h, &a);
	check_pages(&a, even, 1);
	handler_stop(&h);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), even(p));
	expect_signal(SIGSEGV, page_of(&a, 0), true);
	EXPECT(&a, even, DEACT | WRITTEN, 0, DEACT);
}

/* No access, no message: it ends in a signal as ever. */
static void prot_none_sync(void)
{
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	protect_middle(&a, PROT_NONE);
	expect_signal(SIGSEGV, page_of(&a, PAGES / 3), false);
	expect_signal(SIGSEGV, page_of(&a, PAGES / 3), true);
	CHECK(!has_message(a.uffd));
	EXPECT(&a, middle, DEACT, 0, DEACT);
	peek_pages(&a, getpid(), not_middle, 1);
}

static void fork_sync(void)
{
	struct handler h;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	handler_start(&h, &a);
	expect_fork_isolates(&a);
	handler_stop(&h);
	/* the parent's accesses, and none of the child's */
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), 1);
}

static void fork_parent_writes_sync(void)
{
	struct handler h;
	struct area a;
	int go[2];
	pid_t pid;
	char c;

	CHECK(!pipe(go));
	area_init_cold(&a, SYNC, MINOR_WP);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(go[1]);
		CHECK(read(go[0], &c, 1) == 0);
		check_pages(&a, all, 1);
		_exit(0);
	}
	handler_start(&h, &a);
	write_pages(&a, third, 2);
	handler_stop(&h);
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, DEACT);
	close(go[1]);
	join_child(pid);
	check_pages(&a, third, 2);
}

static void mremap_sync(void)
{
	const size_t align = 2 << 20;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	expect_mremap_frees(&a, page_size, 0);
	CHECK(!has_message(a.uffd));
	area_init_aligned(&a, align / page_size, align, SYNC, MINOR);
	deactivate(&a);
	expect_mremap_frees(&a, align, 0);
	CHECK(!has_message(a.uffd));
}

/* Shrunk and grown in place, which keeps the registration */
static void mremap_in_place_sync(void)
{
	const size_t len = PAGES * page_size;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	CHECK(mremap(a.mem, len, len / 2, 0) == a.mem);
	CHECK(mremap(a.mem, len / 2, len, 0) == a.mem);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(cats[p] & (DEACT | PRESENT),
			 p < PAGES / 2 ? DEACT | PRESENT : 0);
	do_continue(&a, 0, PAGES / 2);
	for (size_t p = 0; p < PAGES / 2; p++)
		check_words((u64 *)page_of(&a, p), p, 1);
	CHECK_EQ(*(u64 *)page_of(&a, PAGES - 1), 0);
	CHECK(!has_message(a.uffd));
}

static void exec_sync(void)
{
	char *argv[] = { "true", NULL };
	struct area a;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		area_init_cold(&a, SYNC, MINOR_WP);
		execv("/bin/true", argv);
		fail("execv: %s", strerror(errno));
	}
	join_child(pid);
}

/* Moved by the handler to where it is not deactivated */
static void expect_uffdio_move(struct area *from, struct area *to)
{
	struct uffdio_move move = {
		.dst = (uintptr_t)to->mem, .src = (uintptr_t)from->mem,
		.len = from->pages * page_size,
	};

	to->uffd = from->uffd;
	to->pagemap = from->pagemap;
	CHECK_EQ(try_register(to->uffd, to->mem, to->pages,
			      UFFDIO_REGISTER_MODE_MISSING | MINOR, NULL), 0);
	EXPECT(from, all, DEACT, DEACT, 0);
	CHECK(!ioctl(from->uffd, UFFDIO_MOVE, &move));
	EXPECT(from, all, POPULATED, 0, 0);
	EXPECT(to, all, DEACT | PRESENT, PRESENT, 0);
	check_pages(to, all, 1);
	write_pages(to, all, 2);
	check_pages(to, all, 2);
	CHECK(!has_message(to->uffd));
}

static void uffdio_move(void)
{
	const u64 features = SYNC | UFFD_FEATURE_MOVE;
	struct area a, to;

	area_init_cold(&a, features, MINOR_WP);
	area_map(&to, PAGES, page_size);
	expect_uffdio_move(&a, &to);
	huge_init_cold(&a, features, MINOR);
	huge_map(&to);
	expect_uffdio_move(&a, &to);
}

const struct test tests[] = {
	TEST(prot_none_is_not_cold),
	TEST(prot_none_registered),
	TEST(cold_through_prot_none),
	TEST(read_only_stays_read_only),
	TEST(unregister_thaws),
	TEST(unregister_part),
	TEST(last_close_thaws),
	TEST(holder_killed),
	TEST(fork_child_is_free),
	TEST(fork_parent_writes),
	TEST(mremap_thaws),
	TEST(mremap_aligned_thaws),
	TEST(read_only_sync),
	TEST(prot_none_sync),
	TEST(fork_sync),
	TEST(fork_parent_writes_sync),
	TEST(mremap_sync),
	TEST(mremap_in_place_sync),
	TEST(exec_sync),
	TEST(uffdio_move),
	{ 0 }
};
