// SPDX-License-Identifier: GPL-2.0
/* What is offered and what is refused. */
#define _GNU_SOURCE
#include <sys/socket.h>
#include "lib.h"

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

static void anon_needs_both_features(void)
{
	struct area a;

	area_map(&a, PAGES, page_size);
	a.uffd = open_uffd(UFFD_FEATURE_MINOR_ANON);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), -EINVAL);
	close(a.uffd);
	a.uffd = open_uffd(UFFD_FEATURE_MINOR_ASYNC);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), -EINVAL);
	close(a.uffd);
	a.uffd = open_uffd(0);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), -EINVAL);
}

static void expect_register_refused(int flags, int fd, size_t len)
{
	int uffd = open_uffd(ASYNC);
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 flags | MAP_NORESERVE, fd, 0);

	if (mem == MAP_FAILED)
		skip("mmap with flags %#x: %s", flags, strerror(errno));
	CHECK_EQ(try_register(uffd, mem, len / page_size, MINOR, NULL),
		 -EINVAL);
	CHECK_EQ(range_ioctl(uffd, UFFDIO_DEACTIVATE, (uintptr_t)mem, len),
		 -ENOENT);
}

static void shmem_refused(void)
{
	const size_t len = 4 * page_size;
	int fd = memfd_create("deactivate", MFD_CLOEXEC);

	CHECK(fd >= 0 && !ftruncate(fd, len));
	expect_register_refused(MAP_SHARED | MAP_ANONYMOUS, -1, len);
	expect_register_refused(MAP_SHARED, fd, len);
	expect_register_refused(MAP_PRIVATE, fd, len);
}

static void hugetlb_refused(void)
{
	const size_t len = 2 << 20;
	const int flags = MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT);

	expect_register_refused(MAP_PRIVATE | flags, -1, len);
	expect_register_refused(MAP_SHARED | flags, -1, len);
}

/* To be replaced by tests of the operations once they exist. */
static void sync_mode_refused(void)
{
	struct uffdio_set_mode mode = { .disable = UFFD_FEATURE_MINOR_ASYNC };
	struct uffdio_continue cont = { 0 };
	struct area a;

	area_init_cold(&a, ASYNC, MINOR);
	CHECK(ioctl(a.uffd, UFFDIO_SET_MODE, &mode) == -1 && errno == EINVAL);
	cont.range.start = (uintptr_t)a.mem;
	cont.range.len = page_size;
	CHECK(ioctl(a.uffd, UFFDIO_CONTINUE, &cont) == -1);
	EXPECT(&a, all, DEACT, DEACT, 0);
	check_pages(&a, all, 1);
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

const struct test tests[] = {
	TEST(features_ioctls),
	TEST(anon_needs_both_features),
	TEST(shmem_refused),
	TEST(hugetlb_refused),
	TEST(sync_mode_refused),
	TEST(bad_arguments),
	TEST(hole),
	TEST(part_unregistered),
	TEST(part_wp_only),
	TEST(part_of_another_uffd),
	TEST(mm_gone),
	{ 0 }
};
