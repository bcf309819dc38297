// SPDX-License-Identifier: GPL-2.0
/* What is offered and what is refused. */
#define _GNU_SOURCE
#include <sys/socket.h>
#include "lib.h"

enum {
	RANDOM_CALLS = 5000,
};

/* -- what is offered and what is refused */

static void features_ioctls(void)
{
	const u64 deactivate_bit = 1ULL << _UFFDIO_DEACTIVATE;
	struct uffdio_api api = { .api = UFFD_API };
	struct area a;
	u64 ioctls = 0;
	int fd;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	CHECK(fd >= 0 && !ioctl(fd, UFFDIO_API, &api));
	CHECK_EQ(api.features & ASYNC, ASYNC);

	area_map(&a, PAGES, page_size);
	a.uffd = open_uffd(ASYNC);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, &ioctls), 0);
	CHECK_EQ(ioctls & deactivate_bit, deactivate_bit);
	unregister(&a, 0, PAGES);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR_WP, &ioctls), 0);
	CHECK_EQ(ioctls & deactivate_bit, deactivate_bit);
	unregister(&a, 0, PAGES);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR_WP |
			      UFFDIO_REGISTER_MODE_MISSING, &ioctls), 0);
	CHECK_EQ(ioctls & deactivate_bit, deactivate_bit);
	unregister(&a, 0, PAGES);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, UFFDIO_REGISTER_MODE_WP,
			      &ioctls), 0);
	CHECK_EQ(ioctls & deactivate_bit, 0);
}

/* Which features let which memory be registered for minor faults */
static void features_and_memory(void)
{
	static const struct {
		u64 features;
		int anon, shmem;
	} cases[] = {
		{ UFFD_FEATURE_MINOR_ANON, 0, 0 },
		{ UFFD_FEATURE_MINOR_ASYNC, -EINVAL, 0 },
		{ ASYNC, 0, 0 },
		{ 0, -EINVAL, 0 },
	};
	struct area a, s = { .pages = PAGES };

	area_map(&a, PAGES, page_size);
	s.mem = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(s.mem != MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = open_uffd(cases[i].features);

		CHECK_EQ(try_register(fd, a.mem, PAGES, MINOR, NULL),
			 cases[i].anon);
		CHECK_EQ(try_register(fd, a.mem, PAGES, MINOR_WP, NULL),
			 cases[i].anon);
		CHECK_EQ(try_register(fd, s.mem, PAGES, MINOR, NULL),
			 cases[i].shmem);
		close(fd);
	}
}

/* -- the arguments of UFFDIO_DEACTIVATE */

static void bad_arguments(void)
{
	u64 start, len;
	struct area a;

	area_init(&a, ASYNC, MINOR);
	start = (uintptr_t)a.mem;
	len = PAGES * page_size;
	CHECK_EQ(range_ioctl(a.uffd, UFFDIO_DEACTIVATE, start + 1,
			     len - page_size), -EINVAL);
	CHECK_EQ(range_ioctl(a.uffd, UFFDIO_DEACTIVATE, start, len - 1),
		 -EINVAL);
	CHECK_EQ(range_ioctl(a.uffd, UFFDIO_DEACTIVATE, start, 0), -EINVAL);
	CHECK_EQ(range_ioctl(a.uffd, UFFDIO_DEACTIVATE, start, -page_size),
		 -EINVAL);
	CHECK(ioctl(a.uffd, UFFDIO_DEACTIVATE, NULL) == -1 && errno == EFAULT);
	EXPECT(&a, all, DEACT, 0, 0);
}

static void hole(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR);
	CHECK(!munmap(page_of(&a, 20), page_size));
	CHECK_EQ(try_deactivate(&a, 0, PAGES), -ENOENT);
	CHECK_EQ(try_deactivate(&a, 20, PAGES - 20), -ENOENT);
	CHECK_EQ(try_deactivate(&a, 0, 21), -ENOENT);
	CHECK_EQ(try_deactivate(&a, 20, 1), -ENOENT);
	EXPECT(&a, all, DEACT, 0, 0);
	CHECK_EQ(try_deactivate(&a, 0, 20), 0);
	CHECK_EQ(try_deactivate(&a, 21, PAGES - 21), 0);
}

/* The refused part once in the middle, once at each end of the range. */
static void expect_middle_refused(const struct area *a)
{
	CHECK_EQ(try_deactivate(a, 0, PAGES), -ENOENT);
	CHECK_EQ(try_deactivate(a, PAGES / 3, PAGES / 2), -ENOENT);
	CHECK_EQ(try_deactivate(a, 0, PAGES / 3 + 1), -ENOENT);
	CHECK_EQ(try_deactivate(a, PAGES / 3, PAGES / 3), -ENOENT);
	EXPECT(a, all, DEACT, 0, 0);
	CHECK_EQ(try_deactivate(a, 0, PAGES / 3), 0);
	CHECK_EQ(try_deactivate(a, 2 * PAGES / 3, PAGES / 3), 0);
	EXPECT(a, middle, DEACT, 0, DEACT);
	check_pages(a, all, 1);
}

static void part_unregistered(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR);
	unregister(&a, PAGES / 3, PAGES / 3);
	expect_middle_refused(&a);
}

static void part_wp_only(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR_WP);
	unregister(&a, PAGES / 3, PAGES / 3);
	CHECK_EQ(try_register(a.uffd, page_of(&a, PAGES / 3), PAGES / 3,
			      UFFDIO_REGISTER_MODE_WP, NULL), 0);
	expect_middle_refused(&a);
}

static void part_of_another_uffd(void)
{
	struct area a;
	int other = open_uffd(ASYNC);

	area_init(&a, ASYNC, MINOR);
	unregister(&a, PAGES / 3, PAGES / 3);
	CHECK_EQ(try_register(other, page_of(&a, PAGES / 3), PAGES / 3, MINOR,
			      NULL), 0);
	expect_middle_refused(&a);
}

/* The context outlives the address space it belongs to. */
static void mm_gone(void)
{
	int sock[2], go[2];
	struct area a;
	pid_t pid;
	char c;

	area_map(&a, PAGES, page_size);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sock) && !pipe(go));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(go[1]);
		write_pages(&a, all, 1);
		area_register(&a, ASYNC, MINOR);
		send_fd(sock[1], a.uffd);
		CHECK(read(go[0], &c, 1) == 0);
		_exit(0);
	}
	close(sock[1]);
	a.uffd = recv_fd(sock[0]);
	a.pagemap = open_pagemap(pid);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	close(go[1]);
	join_child(pid);
	CHECK_EQ(try_deactivate(&a, 0, PAGES), -ESRCH);
}

/* -- wrong ranges, for every ioctl that has one */

/* Calls of one ioctl, each of which returns 0 or -errno */
static int call_register(int uffd, u64 start, u64 len)
{
	struct uffdio_register reg = {
		.range = { .start = start, .len = len }, .mode = MINOR,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

static int call_unregister(int uffd, u64 start, u64 len)
{
	return range_ioctl(uffd, UFFDIO_UNREGISTER, start, len);
}

static int call_deactivate(int uffd, u64 start, u64 len)
{
	return range_ioctl(uffd, UFFDIO_DEACTIVATE, start, len);
}

static int call_continue(int uffd, u64 start, u64 len)
{
	struct uffdio_continue cont = {
		.range = { .start = start, .len = len },
	};

	return ioctl(uffd, UFFDIO_CONTINUE, &cont) ? -errno : 0;
}

static const struct call {
	const char *name;
	int (*call)(int uffd, u64 start, u64 len);
	unsigned long cmd;
} calls[] = {
	{ "REGISTER", call_register, UFFDIO_REGISTER },
	{ "UNREGISTER", call_unregister, UFFDIO_UNREGISTER },
	{ "DEACTIVATE", call_deactivate, UFFDIO_DEACTIVATE },
	{ "CONTINUE", call_continue, UFFDIO_CONTINUE },
};

/* Half cold, so that both a deactivation and a thaw would be seen */
static void half_cold(struct area *a, u64 features)
{
	area_init(a, features, MINOR);
	deactivate_pages(a, even);
	EXPECT(a, even, DEACT, DEACT, 0);
}

static void wrong_ranges(void)
{
	const u64 pg = page_size;
	struct area a;
	u64 s, n;

	half_cold(&a, SYNC);
	s = (uintptr_t)a.mem;
	n = PAGES * pg;
	const struct { u64 start, len; } ranges[] = {
		{ s + 1, n - pg }, { s + 8, pg }, { s + pg - 1, pg },
		{ s, n - 1 }, { s, 1 }, { s, pg + 1 }, { s, 0 },
		{ s, -pg }, { s, -1ULL }, { s, 1ULL << 63 }, { 0, 0 },
		{ -pg, pg }, { -pg, 2 * pg }, { -1ULL, 1 },
		{ 1ULL << 63, pg }, { 0xffffffff81000000, pg },
		{ 0x7ffffffff000, pg }, { 0x7fffffffe000, 4 * pg },
		{ s, 0x7ffffffff000 }, { 0xffff888000000000, n },
	};

	for (size_t c = 0; c < ARRAY_SIZE(calls); c++) {
		for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
			int err = calls[c].call(a.uffd, ranges[i].start,
						ranges[i].len);

			if (err != -EINVAL)
				fail("%s(%#llx, %#llx) is %d", calls[c].name,
				     (unsigned long long)ranges[i].start,
				     (unsigned long long)ranges[i].len, err);
		}
		EXPECT(&a, even, DEACT | PRESENT, DEACT | PRESENT, PRESENT);
	}
	peek_pages(&a, getpid(), all, 1);
}

/* Argument structs that cannot be read, or not be written to */
static void wrong_pointers(void)
{
	struct uffdio_continue *cont;
	struct area a, arg;
	void *bad[3];

	half_cold(&a, SYNC);
	area_map(&arg, 2, page_size);
	bad[0] = NULL;
	bad[1] = (void *)-page_size;
	/* the second half of the struct is on an inaccessible page */
	bad[2] = page_of(&arg, 2) - 8;
	for (size_t c = 0; c < ARRAY_SIZE(calls); c++)
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK(ioctl(a.uffd, calls[c].cmd, bad[i]) == -1 &&
			      errno == EFAULT);
	for (size_t i = 0; i < 2; i++)
		CHECK(ioctl(a.uffd, UFFDIO_SET_MODE, bad[i]) == -1 &&
		      errno == EFAULT);
	EXPECT(&a, even, DEACT | PRESENT, DEACT | PRESENT, PRESENT);
	/* what came of it cannot be told */
	cont = (void *)arg.mem;
	*cont = (struct uffdio_continue){
		.range = { .start = (uintptr_t)a.mem, .len = page_size },
	};
	CHECK(!mprotect(arg.mem, page_size, PROT_READ));
	CHECK(ioctl(a.uffd, UFFDIO_CONTINUE, cont) == -1 && errno == EFAULT);
	peek_pages(&a, getpid(), all, 1);
}

/* The argument struct lies in the memory that it is about. */
static void argument_in_cold_page(void)
{
	struct uffdio_range *range;
	struct area a;

	area_init(&a, ASYNC, MINOR);
	range = (void *)page_of(&a, 1);
	*range = (struct uffdio_range){ .start = (uintptr_t)a.mem,
					.len = PAGES * page_size };
	for (int i = 0; i < 3; i++) {
		CHECK(!ioctl(a.uffd, UFFDIO_DEACTIVATE, range));
		EXPECT(&a, all, DEACT, DEACT, 0);
	}
	CHECK_EQ(range->start, (uintptr_t)a.mem);
}

static void continue_needs_registration(void)
{
	int other = open_uffd(SYNC);
	struct area a, free;

	half_cold(&a, SYNC);
	area_map(&free, PAGES, page_size);
	write_pages(&free, all, 1);
	CHECK_EQ(call_continue(a.uffd, (uintptr_t)free.mem, page_size),
		 -ENOENT);
	CHECK_EQ(call_continue(other, (uintptr_t)a.mem, page_size), -ENOENT);
	CHECK(!munmap(page_of(&a, 20), page_size));
	CHECK_EQ(try_continue(&a, 20, 1, 0, NULL), -ENOENT);
	unregister(&a, 0, 4);
	CHECK_EQ(try_continue(&a, 0, 1, 0, NULL), -ENOENT);
	CHECK_EQ(try_deactivate(&a, 0, 1), -ENOENT);
	check_pages(&free, all, 1);
}

/* Before UFFDIO_API there is no userfaultfd to speak of. */
static void needs_api(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct area a;

	CHECK(fd >= 0);
	area_init(&a, SYNC, MINOR);
	for (size_t c = 0; c < ARRAY_SIZE(calls); c++)
		CHECK_EQ(calls[c].call(fd, (uintptr_t)a.mem, page_size),
			 -EINVAL);
	EXPECT(&a, all, DEACT, 0, 0);
}

/* -- pseudo-random calls: an errno, no crash, and the content intact */

static u64 random_value(unsigned int *seed, u64 start)
{
	static const u64 odd_ones[] = {
		0, 1, 4095, 4096, 1ULL << 47, 1ULL << 63, -4096ULL, -1ULL,
	};
	u64 r = rand_r(seed);

	switch (r % 8) {
	case 0:
		return odd_ones[rand_r(seed) % ARRAY_SIZE(odd_ones)];
	case 1:
		return start + rand_r(seed) % (PAGES * page_size);
	case 2:
		return (u64)rand_r(seed) << 32 | rand_r(seed);
	default:
		return start + rand_r(seed) % PAGES * page_size;
	}
}

static void random_call(int uffd, unsigned int *seed, u64 base)
{
	static const unsigned long cmds[] = {
		UFFDIO_REGISTER, UFFDIO_UNREGISTER, UFFDIO_DEACTIVATE,
		UFFDIO_CONTINUE, UFFDIO_SET_MODE, UFFDIO_WAKE,
		UFFDIO_WRITEPROTECT, UFFDIO_DEACTIVATE, UFFDIO_CONTINUE,
	};
	u64 arg[8] = { 0 };
	int ret;

	arg[0] = random_value(seed, base);
	/* lengths are small ones, mostly */
	arg[1] = random_value(seed, rand_r(seed) % 8 ? page_size : base);
	arg[2] = rand_r(seed) % 8;
	if (!(rand_r(seed) % 8))
		arg[2] = random_value(seed, 0);
	ret = ioctl(uffd, cmds[rand_r(seed) % ARRAY_SIZE(cmds)], arg);
	if (ret && !(ret == -1 && errno > 0 && errno < 134))
		fail("ioctl returned %d, errno %d", ret, errno);
}

static void random_calls(u64 features)
{
	struct area a;
	unsigned int seed = 20241117;

	area_init(&a, features, MINOR_WP);
	CHECK(!munmap(page_of(&a, 40), page_size));
	CHECK(!mprotect(page_of(&a, 30), page_size, PROT_READ));
	for (int i = 0; i < RANDOM_CALLS; i++)
		random_call(a.uffd, &seed, (uintptr_t)a.mem - 2 * page_size);
	close(a.uffd);
	for (size_t p = 0; p < a.pages; p++)
		if (p != 40)
			check_words((u64 *)page_of(&a, p), p, 1);
}

static void random_calls_async(void)
{
	random_calls(ASYNC);
}

static void random_calls_sync(void)
{
	random_calls(SYNC);
}

const struct test tests[] = {
	TEST(features_ioctls),
	TEST(features_and_memory),
	TEST(bad_arguments),
	TEST(hole),
	TEST(part_unregistered),
	TEST(part_wp_only),
	TEST(part_of_another_uffd),
	TEST(mm_gone),
	TEST(wrong_ranges),
	TEST(wrong_pointers),
	TEST(argument_in_cold_page),
	TEST(continue_needs_registration),
	TEST(needs_api),
	TEST(random_calls_async),
	TEST(random_calls_sync),
	{ 0 }
};
