// SPDX-License-Identifier: GPL-2.0
/*
 * Every ioctl of the series on every type of mapping: what cannot be tracked is
 * refused with an errno, and is as before. Each test is one type of mapping.
 */
#define _GNU_SOURCE
#include <sys/auxv.h>
#include <sys/shm.h>
#include "lib.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

#define NR_HUGEPAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

enum {
	LEN_PAGES = 8,
	HUGETLB_LEN = 2 << 20,
};

/* What the kernel says to it, as 0 or -errno */
struct type {
	const char *name;
	/* Returns the mapping, and its length in pages if not LEN_PAGES. */
	char *(*map)(size_t *pages);
	int prot;		/* what it is filled under, and then has */
	int prot_after;		/* unless this is different, after filling */
	int register_minor;
	int deactivate;		/* where it can be registered */
	bool keeps_no_content;	/* as far as we are to know */
};

#define RW (PROT_READ | PROT_WRITE)

static char *map_with(size_t len, int flags, int fd)
{
	char *mem = mmap(NULL, len, RW, flags, fd, 0);

	if (mem == MAP_FAILED)
		skip("mmap with flags %#x: %s", flags, strerror(errno));
	return mem;
}

static char *map_anon(size_t *pages)
{
	struct area a;

	area_map(&a, *pages, page_size);
	return a.mem;
}

static char *map_thp(size_t *pages)
{
	struct area a;

	huge_map(&a);
	*pages = a.pages;
	return a.mem;
}

static char *map_stack(size_t *pages)
{
	return map_with(*pages * page_size, MAP_PRIVATE | MAP_ANONYMOUS |
			MAP_GROWSDOWN, -1);
}

static char *map_locked(size_t *pages)
{
	return map_with(*pages * page_size, MAP_PRIVATE | MAP_ANONYMOUS |
			MAP_LOCKED, -1);
}

static char *map_shared_anon(size_t *pages)
{
	return map_with(*pages * page_size, MAP_SHARED | MAP_ANONYMOUS, -1);
}

static char *map_droppable(size_t *pages)
{
	return map_with(*pages * page_size, MAP_DROPPABLE | MAP_ANONYMOUS, -1);
}

static char *map_memfd(size_t pages, int flags)
{
	int fd = memfd_create("types", MFD_CLOEXEC);

	CHECK(fd >= 0 && !ftruncate(fd, pages * page_size));
	return map_with(pages * page_size, flags, fd);
}

static char *map_memfd_shared(size_t *pages)
{
	return map_memfd(*pages, MAP_SHARED);
}

static char *map_memfd_private(size_t *pages)
{
	return map_memfd(*pages, MAP_PRIVATE);
}

/* A file of the directory's file system, removed at once */
static char *map_file(const char *dir, size_t pages, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/types.XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0)
		skip("%s: %s", path, strerror(errno));
	unlink(path);
	CHECK(!ftruncate(fd, pages * page_size));
	return map_with(pages * page_size, flags, fd);
}

static char *map_tmpfs_shared(size_t *pages)
{
	return map_file("/dev/shm", *pages, MAP_SHARED);
}

static char *map_tmpfs_private(size_t *pages)
{
	return map_file("/dev/shm", *pages, MAP_PRIVATE);
}

static char *map_root_shared(size_t *pages)
{
	return map_file("/", *pages, MAP_SHARED);
}

static char *map_root_private(size_t *pages)
{
	return map_file("/", *pages, MAP_PRIVATE);
}

static char *map_hugetlb(size_t *pages, int flags)
{
	if (file_number(NR_HUGEPAGES) < 4)
		file_write(NR_HUGEPAGES, "4");
	if (file_number(NR_HUGEPAGES) < 2)
		skip("no huge pages in the pool");
	*pages = HUGETLB_LEN / page_size;
	return map_with(HUGETLB_LEN, flags | MAP_ANONYMOUS | MAP_HUGETLB |
			(21 << MAP_HUGE_SHIFT), -1);
}

static char *map_hugetlb_shared(size_t *pages)
{
	return map_hugetlb(pages, MAP_SHARED);
}

static char *map_hugetlb_private(size_t *pages)
{
	return map_hugetlb(pages, MAP_PRIVATE);
}

static char *map_sysv(size_t *pages)
{
	int id = shmget(IPC_PRIVATE, *pages * page_size, IPC_CREAT | 0600);
	char *mem;

	if (id < 0)
		skip("shmget: %s", strerror(errno));
	mem = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	CHECK(mem != (void *)-1);
	return mem;
}

static char *map_aio(size_t *pages)
{
	unsigned long ring = 0;

	if (syscall(SYS_io_setup, 8, &ring))
		skip("io_setup: %s", strerror(errno));
	*pages = 1;
	return (char *)ring;
}

static char *map_vdso(size_t *pages)
{
	*pages = 1;
	return (char *)getauxval(AT_SYSINFO_EHDR);
}

/* The pages before the vDSO are those of its variables. */
static char *map_vvar(size_t *pages)
{
	return map_vdso(pages) - page_size;
}

static char *map_text(size_t *pages)
{
	*pages = 1;
	return (char *)((uintptr_t)map_text & -page_size);
}

static char *map_nothing(size_t *pages)
{
	char *mem = map_anon(pages);

	CHECK(!munmap(mem, *pages * page_size));
	return mem;
}

/* A part of an area that is inaccessible, and was never anything else */
static char *map_guard(size_t *pages)
{
	struct area a;

	area_map(&a, 1, page_size);
	*pages = 1;
	return page_of(&a, 1);
}

#define NO -EINVAL
#define EITHER 1	/* Linux 6.12 lets it be registered, later ones do not */

/* name, map, prot, prot_after, register_minor, deactivate, keeps_no_content */
#define TYPES(X) \
	X(anon, map_anon, RW, RW, 0, 0, false) \
	X(anon_readonly, map_anon, RW, PROT_READ, 0, 0, false) \
	X(anon_prot_none, map_anon, RW, PROT_NONE, 0, 0, false) \
	X(anon_thp, map_thp, RW, RW, 0, 0, false) \
	X(stack, map_stack, RW, RW, 0, 0, false) \
	X(mlocked, map_locked, RW, RW, 0, 0, false) \
	X(guard, map_guard, 0, 0, 0, 0, true) \
	X(shared_anon, map_shared_anon, RW, RW, 0, 0, false) \
	X(memfd_shared, map_memfd_shared, RW, RW, 0, 0, false) \
	X(memfd_readonly, map_memfd_shared, RW, PROT_READ, 0, 0, false) \
	X(tmpfs_shared, map_tmpfs_shared, RW, RW, 0, 0, false) \
	X(memfd_private, map_memfd_private, RW, RW, 0, NO, false) \
	X(tmpfs_private, map_tmpfs_private, RW, RW, 0, NO, false) \
	X(hugetlb_shared, map_hugetlb_shared, RW, RW, 0, 0, false) \
	X(hugetlb_private, map_hugetlb_private, RW, RW, 0, NO, false) \
	X(file_shared, map_root_shared, RW, RW, NO, 0, false) \
	X(file_private, map_root_private, RW, RW, NO, 0, false) \
	X(droppable, map_droppable, RW, RW, EITHER, 0, false) \
	X(sysv_shm, map_sysv, RW, RW, NO, 0, false) \
	X(aio_ring, map_aio, 0, 0, NO, 0, true) \
	X(vdso, map_vdso, 0, 0, NO, 0, true) \
	X(vvar, map_vvar, 0, 0, NO, 0, true) \
	X(program_text, map_text, 0, 0, NO, 0, true) \
	X(unmapped, map_nothing, 0, 0, NO, 0, true)

/* -- the test of one type */

/* Where the state is the page's own, and can be seen in an accessible VMA */
static bool reports_cold(const struct type *t, const struct area *a)
{
	return t->deactivate == 0 && t->prot_after & PROT_READ &&
	       t->map != map_shared_anon && t->map != map_memfd_shared &&
	       t->map != map_tmpfs_shared && t->map != map_hugetlb_shared &&
	       a->pages;
}

static void check_content(const struct type *t, const struct area *a)
{
	size_t len = a->pages * page_size;

	if (t->keeps_no_content)
		return;
	CHECK(!mprotect(a->mem, len, RW));
	check_pages(a, all, 1);
	CHECK(!mprotect(a->mem, len, t->prot_after));
}

/* Not registered with this userfaultfd: ENOENT, whatever it is */
static void expect_unregistered(const struct type *t, const struct area *a)
{
	int err = try_deactivate(a, 0, a->pages);

	if (err != -ENOENT)
		fail("DEACTIVATE where nothing is registered: %d", err);
	err = try_continue(a, 0, a->pages, 0, NULL);
	if (err != -ENOENT && !(err == -EINVAL && t->register_minor))
		fail("CONTINUE where nothing is registered: %d", err);
	check_content(t, a);
}

/* Registered, for what it is worth */
static void expect_registered(const struct type *t, const struct area *a,
			      u64 ioctls)
{
	bool offered = ioctls & 1ULL << _UFFDIO_DEACTIVATE;
	int other = open_uffd(ASYNC);

	CHECK_EQ(offered, t->deactivate == 0);
	CHECK_EQ(range_ioctl(other, UFFDIO_DEACTIVATE, (uintptr_t)a->mem,
			     a->pages * page_size), -ENOENT);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(try_deactivate(a, 0, a->pages), t->deactivate);
		scan(a, POPULATED, 0);
		if (reports_cold(t, a))
			MATCH(a, all, DEACT, DEACT, 0);
		else
			MATCH(a, all, DEACT, 0, 0);
		check_content(t, a);
	}
	/* an answer is all there has to be */
	CHECK_EQ(try_deactivate(a, 0, a->pages), t->deactivate);
	try_continue(a, 0, a->pages, 0, NULL);
	try_continue(a, 0, a->pages, UFFDIO_CONTINUE_MODE_WP, NULL);
	check_content(t, a);
	close(other);
}

static void check_type(const struct type *t, u64 features)
{
	struct area a = { .pages = LEN_PAGES, .uffd = open_uffd(features) };
	const u64 modes[] = { MINOR, MINOR_WP };
	u64 ioctls = 0;
	int err;

	a.mem = t->map(&a.pages);
	a.pagemap = open_pagemap(getpid());
	if (t->prot & PROT_WRITE)
		write_pages(&a, all, 1);
	if (t->prot_after != t->prot)
		CHECK(!mprotect(a.mem, a.pages * page_size, t->prot_after));
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		expect_unregistered(t, &a);
		err = try_register(a.uffd, a.mem, a.pages, modes[i], &ioctls);
		/* who may not write to it may not register it, either */
		if (err == -EPERM && t->register_minor && !t->prot)
			err = t->register_minor;
		if (t->register_minor == EITHER)
			CHECK(!err || err == -EINVAL);
		else
			CHECK_EQ(err, t->register_minor);
		if (!err) {
			expect_registered(t, &a, ioctls);
			unregister(&a, 0, a.pages);
		}
	}
	expect_unregistered(t, &a);
}

#define FUNCTIONS(name_, ...) \
	static void name_(void) \
	{ \
		static const struct type type = { #name_, __VA_ARGS__ }; \
		check_type(&type, ASYNC); \
	}

#define ENTRIES(name_, ...) TEST(name_),

TYPES(FUNCTIONS)

const struct test tests[] = {
	TYPES(ENTRIES)
	{ 0 }
};
