// SPDX-License-Identifier: GPL-2.0
/*
 * How threads that wait in sync mode are let go without UFFDIO_CONTINUE: by
 * UFFDIO_SET_MODE, UFFDIO_UNREGISTER, the last close, and signals that kill.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include "lib.h"

enum {
	WAITERS = 8,
	FLIPS = 150,
};

/* Threads that wait at every second page, the messages of half of them read */
struct waiters {
	struct access acc[WAITERS];
};

static bool waiters_pages(size_t page)
{
	return page < 2 * WAITERS && page % 2 == 0;
}

static void waiters_start(struct waiters *w, const struct area *a)
{
	for (int i = 0; i < WAITERS; i++) {
		bool write = i % 4 >= 2;

		access_start(&w->acc[i], write ? ACCESS_WRITE : ACCESS_READ,
			     page_of(a, 2 * i));
		if (i < WAITERS / 2)
			EXPECT_MESSAGE(a, 2 * i,
				       FLAG_MINOR | (write ? FLAG_WRITE : 0));
	}
	while (!has_message(a->uffd))
		usleep(1000);
	for (int i = 0; i < WAITERS; i++)
		access_waits(&w->acc[i]);
}

/* All of them go on, and find and leave what they should. */
static void waiters_join(struct waiters *w, const struct area *a)
{
	for (int i = 0; i < WAITERS; i++) {
		CHECK_EQ(access_join(&w->acc[i]), 0);
		if (w->acc[i].kind == ACCESS_READ)
			CHECK_EQ(w->acc[i].word, word_of(1, 2 * i, 0));
		else
			CHECK_EQ(*(u64 *)page_of(a, 2 * i), ACCESS_VALUE);
	}
}

/* Undoes the writes of the waiters. */
static void waiters_restore(struct waiters *w, const struct area *a)
{
	for (int i = 0; i < WAITERS; i++)
		if (w->acc[i].kind == ACCESS_WRITE)
			*(u64 *)page_of(a, 2 * i) = word_of(1, 2 * i, 0);
}

/* -- UFFDIO_SET_MODE */

static void expect_mode(const struct area *a, bool sync)
{
	struct access acc;

	deactivate(a);
	access_start(&acc, ACCESS_READ, a->mem);
	if (sync) {
		EXPECT_MESSAGE(a, 0, FLAG_MINOR);
		access_waits(&acc);
		do_continue(a, 0, 1);
	}
	access_join(&acc);
	CHECK(!has_message(a->uffd));
	EXPECT(a, first, DEACT, 0, DEACT);
}

static void set_mode_refuses(void)
{
	static const u64 unknown[] = {
		1, UFFD_FEATURE_WP_ASYNC, UFFD_FEATURE_MINOR_ANON,
		UFFD_FEATURE_MINOR_SHMEM, 1ULL << 31, 1ULL << 63, ~0ULL,
	};
	const u64 async = UFFD_FEATURE_MINOR_ASYNC;
	struct area a;

	area_init(&a, ASYNC, MINOR);
	for (int sync = 0; sync < 2; sync++) {
		CHECK_EQ(try_set_mode(a.uffd, async, async), -EINVAL);
		for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
			CHECK_EQ(try_set_mode(a.uffd, unknown[i], 0), -EINVAL);
			CHECK_EQ(try_set_mode(a.uffd, 0, unknown[i]), -EINVAL);
			CHECK_EQ(try_set_mode(a.uffd, unknown[i] | async, 0),
				 -EINVAL);
			CHECK_EQ(try_set_mode(a.uffd, async, unknown[i]),
				 -EINVAL);
		}
		CHECK(ioctl(a.uffd, UFFDIO_SET_MODE, NULL) == -1 &&
		      errno == EFAULT);
		expect_mode(&a, sync);
		set_sync(&a);
	}
}

static void set_mode_needs_feature(void)
{
	const u64 async = UFFD_FEATURE_MINOR_ASYNC;
	struct area a;
	int fd;

	area_init(&a, SYNC, MINOR);
	CHECK_EQ(try_set_mode(a.uffd, async, 0), -EINVAL);
	CHECK_EQ(try_set_mode(a.uffd, 0, async), -EINVAL);
	expect_mode(&a, true);
	fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(try_set_mode(fd, async, 0), -EINVAL);
	CHECK_EQ(try_set_mode(fd, 0, async), -EINVAL);
}

static void set_mode_switches(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR_WP);
	for (int i = 0; i < 3; i++) {
		expect_mode(&a, false);
		set_sync(&a);
		expect_mode(&a, true);
		set_sync(&a);
		expect_mode(&a, true);
		set_async(&a);
		expect_mode(&a, false);
		set_async(&a);
	}
	check_pages(&a, all, 1);
}

/* What is deactivated stays so in either direction. */
static void set_mode_keeps_cold(void)
{
	struct handler h;
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	check_pages(&a, third, 1);
	set_sync(&a);
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	handler_start(&h, &a);
	check_pages(&a, even, 1);
	handler_stop(&h);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), even(p) && !third(p));
	set_async(&a);
	EXPECT(&a, even_or_third, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, all, 1);
}

static void set_mode_wakes(void)
{
	struct waiters w;
	struct area a;

	area_init(&a, ASYNC, MINOR_WP);
	set_sync(&a);
	deactivate(&a);
	waiters_start(&w, &a);
	set_async(&a);
	waiters_join(&w, &a);
	EXPECT(&a, waiters_pages, DEACT, 0, DEACT);
	CHECK(!has_message(a.uffd));
}

static void set_mode_wakes_thp(void)
{
	struct waiters w;
	struct area a;

	huge_init(&a, ASYNC, MINOR);
	set_sync(&a);
	deactivate(&a);
	waiters_start(&w, &a);
	set_async(&a);
	waiters_join(&w, &a);
	EXPECT(&a, all, DEACT, 0, 0);
	waiters_restore(&w, &a);
	check_pages(&a, all, 1);
}

/*
 * Threads fault just as the mode changes, and nobody ever calls CONTINUE: a
 * wake-up that is lost is a thread that hangs.
 */
static struct flips {
	struct area a;
	_Atomic int round;
	_Atomic int done;
	_Atomic long accesses;
} flips;

static void *flips_thread(void *arg)
{
	const size_t id = (uintptr_t)arg;
	volatile u64 *w;

	for (int round = 1; round <= FLIPS; round++) {
		while (flips.round < round)
			sched_yield();
		for (size_t p = id; p < flips.a.pages; p += WAITERS / 2) {
			w = (u64 *)page_of(&flips.a, p);
			if (round % 2)
				w[1] = round;
			else if (w[1] != (u64)round - 1)
				fail("page %zu lost a write", p);
			flips.accesses++;
		}
		flips.done++;
	}
	return NULL;
}

static void flip_modes(u64 mode)
{
	pthread_t threads[WAITERS / 2];
	unsigned int seed = 1;

	area_init(&flips.a, ASYNC, mode);
	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK(!pthread_create(&threads[i], NULL, flips_thread,
				      (void *)i));
	for (int round = 1; round <= FLIPS; round++) {
		set_sync(&flips.a);
		deactivate(&flips.a);
		flips.done = 0;
		flips.round = round;
		usleep(rand_r(&seed) % 300);
		set_async(&flips.a);
		while (flips.done < (int)ARRAY_SIZE(threads))
			usleep(100);
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK_EQ(flips.accesses, FLIPS * PAGES);
}

static void set_mode_races(void)
{
	flip_modes(MINOR);
}

static void set_mode_races_wp(void)
{
	flip_modes(MINOR_WP);
}

/* -- the end of the registration */

static void unregister_wakes(void)
{
	struct waiters w;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	waiters_start(&w, &a);
	unregister(&a, 0, PAGES);
	waiters_join(&w, &a);
	waiters_restore(&w, &a);
	expect_ordinary(&a, 1);
	CHECK(!has_message(a.uffd));
}

static void unregister_wakes_thp(void)
{
	struct waiters w;
	struct area a;

	huge_init_cold(&a, SYNC, MINOR);
	waiters_start(&w, &a);
	unregister(&a, 0, a.pages);
	waiters_join(&w, &a);
	waiters_restore(&w, &a);
	expect_ordinary(&a, 1);
}

/* Waiters in the rest of the area go on waiting. */
static void unregister_part_wakes_part(void)
{
	struct access in, out;
	struct area a;

	area_init_cold(&a, SYNC, MINOR);
	access_start(&out, ACCESS_READ, page_of(&a, 0));
	EXPECT_MESSAGE(&a, 0, FLAG_MINOR);
	access_start(&in, ACCESS_WRITE, page_of(&a, PAGES / 3));
	EXPECT_MESSAGE(&a, PAGES / 3, FLAG_MINOR | FLAG_WRITE);
	unregister(&a, PAGES / 3, PAGES / 3);
	access_join(&in);
	CHECK_EQ(*(u64 *)in.addr, ACCESS_VALUE);
	access_waits(&out);
	EXPECT(&a, not_middle, DEACT, DEACT, 0);
	do_continue(&a, 0, 1);
	access_join(&out);
	CHECK_EQ(out.word, word_of(1, 0, 0));
}

/* UFFDIO_REGISTER for something else ends what was before. */
static void reregister_wakes(void)
{
	struct waiters w;
	struct area a;

	area_init_cold(&a, SYNC, MINOR);
	waiters_start(&w, &a);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, UFFDIO_REGISTER_MODE_WP,
			      NULL), 0);
	waiters_join(&w, &a);
	EXPECT(&a, all, DEACT, 0, DEACT);
	CHECK(!has_message(a.uffd));
}

/* For less than it is registered for, it does nothing. */
static void reregister_subset_keeps(void)
{
	struct access acc;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, UFFDIO_REGISTER_MODE_WP,
			      NULL), 0);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	access_start(&acc, ACCESS_READ, page_of(&a, 0));
	EXPECT_MESSAGE(&a, 0, FLAG_MINOR);
	access_waits(&acc);
	do_continue(&a, 0, 1);
	access_join(&acc);
}

/* Entries that are write-protected would be left in a VMA that knows nothing of it. */
static void reregister_without_wp_is_refused(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), -EBUSY);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, UFFDIO_REGISTER_MODE_MISSING,
			      NULL), -EBUSY);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	unregister(&a, 0, PAGES);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), 0);
	EXPECT(&a, all, DEACT | WRITTEN, WRITTEN, 0);
}

static void last_close_wakes(void)
{
	struct waiters w;
	struct area a;
	int copy;

	area_init_cold(&a, SYNC, MINOR_WP);
	copy = dup(a.uffd);
	waiters_start(&w, &a);
	close(a.uffd);
	for (int i = 0; i < WAITERS; i++)
		access_waits(&w.acc[i]);
	close(copy);
	waiters_join(&w, &a);
	waiters_restore(&w, &a);
	expect_ordinary(&a, 1);
}

/* The holder is another process, and dies of SIGKILL. */
static void holder_death_wakes(void)
{
	struct waiters w;
	struct area a;
	pid_t pid;

	area_init_cold(&a, SYNC, MINOR_WP);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	waiters_start(&w, &a);
	close(a.uffd);
	for (int i = 0; i < WAITERS; i++)
		access_waits(&w.acc[i]);
	CHECK(!kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	waiters_join(&w, &a);
	waiters_restore(&w, &a);
	expect_ordinary(&a, 1);
}

/* -- the end of those who wait */

static void __attribute__((noreturn)) waiting_child(bool leave_by_exit)
{
	struct waiters w;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	waiters_start(&w, &a);
	if (leave_by_exit)
		_exit(0);
	kill(getpid(), SIGKILL);
	fail("survived SIGKILL");
}

static void exit_while_waiting(void)
{
	int status;

	for (int leave_by_exit = 0; leave_by_exit < 2; leave_by_exit++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			waiting_child(leave_by_exit);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status))
			_exit(WEXITSTATUS(status));
		CHECK_EQ(WIFEXITED(status), leave_by_exit);
	}
}

/* The page goes away under a waiter: the refusal lets it see a new one. */
static void dontneed_while_waiting(void)
{
	struct access acc;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	access_start(&acc, ACCESS_READ, page_of(&a, 0));
	EXPECT_MESSAGE(&a, 0, FLAG_MINOR);
	CHECK(!madvise(a.mem, page_size, MADV_DONTNEED));
	CHECK_EQ(try_continue(&a, 0, 1, 0, NULL), -EFAULT);
	access_join(&acc);
	CHECK_EQ(acc.word, 0);
	CHECK(!has_message(a.uffd));
}

const struct test tests[] = {
	TEST(set_mode_refuses),
	TEST(set_mode_needs_feature),
	TEST(set_mode_switches),
	TEST(set_mode_keeps_cold),
	TEST(set_mode_wakes),
	TEST(set_mode_wakes_thp),
	TEST(set_mode_races),
	TEST(set_mode_races_wp),
	TEST(unregister_wakes),
	TEST(unregister_wakes_thp),
	TEST(unregister_part_wakes_part),
	TEST(reregister_wakes),
	TEST(reregister_subset_keeps),
	TEST(reregister_without_wp_is_refused),
	TEST(last_close_wakes),
	TEST(holder_death_wakes),
	TEST(exit_while_waiting),
	TEST(dontneed_while_waiting),
	{ 0 }
};
