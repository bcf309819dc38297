// SPDX-License-Identifier: GPL-2.0
/*
 * Shared shmem and hugetlb: deactivated is what is in the page cache and not
 * mapped here. Each test runs for every kind of memory; its name is KIND_TEST.
 */
#define _GNU_SOURCE
#include <signal.h>
#include "lib.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif

#define NR_HUGEPAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define SHMEM_HUGE "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

enum {
	HUGETLB_PAGES = 512,
	HUGETLB_RESERVE = 8,	/* huge pages, more than a test needs */
};

/* Sync mode is had by switching, so that both are had from one context. */
struct kind {
	size_t pages;		/* in an area */
	size_t unit;		/* pages that go together */
	unsigned int memfd;	/* flags of memfd_create() */
};

static const struct kind shmem = { PAGES, 1, 0 };
static const struct kind hugetlb = { 3 * HUGETLB_PAGES, HUGETLB_PAGES,
				     MFD_HUGETLB };

static const struct kind *kind;
static int memfd;

static bool part(size_t page)
{
	return page >= kind->pages / 3 && page < 2 * kind->pages / 3;
}

static bool not_part(size_t page)
{
	return !part(page);
}

/* One page of each unit */
static bool each(size_t page)
{
	return page % kind->unit == 0;
}

static bool first_unit(size_t page)
{
	return page < kind->unit;
}

static void need_hugetlb(void)
{
	char text[16];

	if (file_number(NR_HUGEPAGES) < HUGETLB_RESERVE) {
		file_write("/proc/sys/vm/compact_memory", "1");
		snprintf(text, sizeof(text), "%d", HUGETLB_RESERVE);
		file_write(NR_HUGEPAGES, text);
	}
	if (file_number(NR_HUGEPAGES) < HUGETLB_RESERVE)
		skip("%ld huge pages in the pool", file_number(NR_HUGEPAGES));
}

static void map(struct area *a, int flags)
{
	size_t len = kind->pages * page_size;

	*a = (struct area){ .pages = kind->pages, .unit = kind->unit,
			    .uffd = -1, .pagemap = -1 };
	a->mem = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, memfd, 0);
	CHECK(a->mem != MAP_FAILED);
	a->pagemap = open_pagemap(getpid());
}

/* Sets kind and memfd, and maps the file once with seed 1. */
static void populate(struct area *a, const struct kind *k)
{
	kind = k;
	if (k == &hugetlb)
		need_hugetlb();
	memfd = memfd_create("shared", MFD_CLOEXEC | k->memfd);
	if (memfd < 0)
		skip("memfd_create: %s", strerror(errno));
	CHECK(!ftruncate(memfd, k->pages * page_size));
	map(a, MAP_SHARED);
	write_pages(a, all, 1);
}

/* Registers, in the mode that is asked for, with further features if need be. */
static void enter(struct area *a, u64 features, u64 mode)
{
	u64 ioctls = 0;

	a->uffd = open_uffd(features | ASYNC);
	CHECK_EQ(try_register(a->uffd, a->mem, a->pages, mode, &ioctls), 0);
	CHECK(ioctls & 1ULL << _UFFDIO_DEACTIVATE);
	if (mode & UFFDIO_REGISTER_MODE_WP)
		arm(a);
	if (features == SYNC)
		set_sync(a);
}

/* Registered, deactivated, and so absent while the pages are in the cache */
static void enter_cold(struct area *a, u64 features, u64 mode)
{
	enter(a, features, mode);
	EXPECT(a, all, PRESENT, PRESENT, 0);
	deactivate(a);
	EXPECT(a, all, PRESENT | DEACT, 0, 0);
}

/* -- async mode */

static void other_mapping(const struct kind *k)
{
	struct area a, b;

	populate(&a, k);
	map(&b, MAP_SHARED);
	check_pages(&b, all, 1);
	enter_cold(&a, ASYNC, MINOR);
	EXPECT(&b, all, PRESENT, PRESENT, 0);
	check_pages(&b, all, 1);
	write_pages(&b, third, 2);
	EXPECT(&a, all, PRESENT, 0, 0);
	check_pages(&a, third, 2);
	CHECK(!has_message(a.uffd));
}

static void async_refault(const struct kind *k)
{
	struct area a;

	populate(&a, k);
	enter_cold(&a, ASYNC, MINOR);
	/* one access for each page, and no neighbour comes with it */
	touch_pages(&a, first);
	EXPECT(&a, first_unit, PRESENT, PRESENT, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, PRESENT | DEACT, PRESENT, 0);
	deactivate(&a);
	write_pages(&a, each, 2);
	EXPECT(&a, all, PRESENT, PRESENT, 0);
	check_pages(&a, each, 2);
	CHECK(!has_message(a.uffd));
}

static void part_of_range(const struct kind *k)
{
	struct area a;

	populate(&a, k);
	enter(&a, ASYNC, MINOR);
	CHECK_EQ(try_deactivate(&a, k->pages / 3, k->pages / 3), 0);
	EXPECT(&a, part, PRESENT, 0, PRESENT);
	check_pages(&a, all, 1);
	EXPECT(&a, all, PRESENT, PRESENT, 0);
}

/* MINOR_ASYNC alone is enough for shared memory, and is async. */
static void async_alone(const struct kind *k)
{
	struct area a;

	populate(&a, k);
	a.uffd = open_uffd(UFFD_FEATURE_MINOR_ASYNC);
	CHECK_EQ(try_register(a.uffd, a.mem, a.pages, MINOR, NULL), 0);
	deactivate(&a);
	EXPECT(&a, all, PRESENT, 0, 0);
	check_pages(&a, all, 1);
	CHECK(!has_message(a.uffd));
}

static void unregister_is_ordinary(const struct kind *k)
{
	struct area a;

	populate(&a, k);
	enter_cold(&a, SYNC, MINOR);
	unregister(&a, 0, a.pages);
	check_pages(&a, all, 1);
	write_pages(&a, all, 2);
	check_pages(&a, all, 2);
	CHECK(!has_message(a.uffd));
	CHECK_EQ(try_deactivate(&a, 0, a.pages), -ENOENT);
}

static void fork_is_free(const struct kind *k)
{
	struct area a;
	pid_t pid;

	populate(&a, k);
	enter_cold(&a, SYNC, MINOR);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		check_pages(&a, all, 1);
		_exit(0);
	}
	join_child(pid);
	CHECK(!has_message(a.uffd));
	EXPECT(&a, all, PRESENT, 0, 0);
}

static void pinned(const struct kind *k)
{
	struct area a;
	int ring;

	populate(&a, k);
	enter(&a, ASYNC, MINOR);
	ring = ring_pin_middle(&a);
	deactivate(&a);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < a.pages; p++) {
		size_t unit = p / k->unit * k->unit;
		bool pin = k->unit > 1 ? unit == 0 : middle(p);

		CHECK_EQ(!!(cats[p] & PRESENT), pin);
	}
	ring_unpin(ring);
	check_pages(&a, all, 1);
}

/* -- from outside: the page cache is looked at, and nothing is mapped here */

static void expect_looks(const struct area *a)
{
	u64 buf[page_size / sizeof(u64)];
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	CHECK(mem >= 0);
	peek_pages(a, getpid(), all, 1);
	for (size_t p = 0; p < a->pages; p++) {
		CHECK_EQ(pread(mem, buf, page_size, (uintptr_t)page_of(a, p)),
			 page_size);
		check_words(buf, p, 1);
	}
	close(mem);
	CHECK(!has_message(a->uffd));
	EXPECT(a, all, PRESENT, 0, 0);
}

static void looked_at(const struct kind *k, u64 features, u64 mode)
{
	struct area a;

	populate(&a, k);
	enter_cold(&a, features, mode);
	expect_looks(&a);
}

static void look(const struct kind *k)
{
	looked_at(k, ASYNC, MINOR);
	looked_at(k, SYNC, MINOR);
}

/* Write-protected entries leave a marker behind when they are unmapped. */
static void look_wp(const struct kind *k)
{
	struct area a;

	populate(&a, k);
	enter(&a, SYNC, MINOR_WP);
	deactivate(&a);
	EXPECT(&a, all, PRESENT, 0, 0);
	expect_looks(&a);
}

/* Content that is not there to be looked at is not made up, nor waited for. */
static void shmem_look_at_hole(void)
{
	char buf[16];
	struct iovec local = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct iovec remote = { .iov_len = sizeof(buf) };
	struct area a;

	populate(&a, &shmem);
	enter_cold(&a, SYNC, MINOR);
	CHECK(!fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			 page_size));
	remote.iov_base = a.mem;
	CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0),
		 sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		CHECK_EQ(buf[i], 0);
	CHECK(!has_message(a.uffd));
}

static void shmem_look_at_swapped(void)
{
	struct area a, b;

	populate(&a, &shmem);
	enter_cold(&a, SYNC, MINOR);
	map(&b, MAP_SHARED);
	touch_pages(&b, all);
	need_swap();
	for (int i = 0; i < 20; i++)
		CHECK(!madvise(b.mem, b.pages * page_size, MADV_PAGEOUT));
	scan(&b, PRESENT, 0);
	CHECK(count(&b, PRESENT) < PAGES);
	expect_looks(&a);
}

/* -- with MODE_WP: no write is forgotten */

static void wp_written(const struct kind *k)
{
	struct area a;

	populate(&a, k);
	enter(&a, ASYNC, MINOR_WP);
	write_pages(&a, first, 2);
	deactivate(&a);
	EXPECT(&a, all, PRESENT, 0, 0);
	touch_pages(&a, each);
	scan(&a, POPULATED, 0);
	CHECK_EQ(cats[0] & WRITTEN, WRITTEN);
	CHECK_EQ(cats[k->unit] & WRITTEN, 0);
	arm(&a);
	deactivate(&a);
	/* a write that is the first access */
	write_pages(&a, first_unit, 3);
	EXPECT(&a, first_unit, WRITTEN | PRESENT, WRITTEN | PRESENT, 0);
	check_pages(&a, first_unit, 3);
	touch_pages(&a, all);
	EXPECT(&a, first_unit, WRITTEN | PRESENT, WRITTEN | PRESENT, PRESENT);
}

static void wp_written_sync(const struct kind *k)
{
	struct handler h;
	struct area a;

	populate(&a, k);
	enter(&a, SYNC, MINOR_WP);
	handler_start(&h, &a);
	write_pages(&a, first_unit, 2);
	deactivate(&a);
	touch_pages(&a, each);
	scan(&a, POPULATED, 0);
	MATCH(&a, all, PRESENT, PRESENT, 0);
	CHECK_EQ(cats[0] & WRITTEN, WRITTEN);
	deactivate(&a);
	write_pages(&a, part, 3);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < a.pages; p++)
		if (part(p))
			CHECK_EQ(cats[p] & WRITTEN, WRITTEN);
	handler_stop(&h);
	check_pages(&a, part, 3);
}

/* -- sync mode */

static void sync_waits(const struct kind *k)
{
	static const enum access_kind kinds[] = {
		ACCESS_READ, ACCESS_WRITE, ACCESS_SYS_WRITE, ACCESS_SYS_READ,
		ACCESS_VM_WRITEV,
	};
	struct access acc;
	struct area a;

	populate(&a, k);
	enter(&a, SYNC, MINOR);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		bool write = access_writes(kinds[i]);

		deactivate(&a);
		access_start(&acc, kinds[i], a.mem);
		EXPECT_MESSAGE(&a, 0, FLAG_MINOR | (write ? FLAG_WRITE : 0));
		access_waits(&acc);
		EXPECT(&a, all, PRESENT, 0, 0);
		do_continue(&a, 0, k->unit);
		CHECK_EQ(access_join(&acc), 0);
		EXPECT(&a, first_unit, PRESENT, PRESENT, 0);
		if (write)
			CHECK_EQ(*(u64 *)a.mem, ACCESS_VALUE);
		else
			CHECK_EQ(acc.word, word_of(1, 0, 0));
		*(u64 *)a.mem = word_of(1, 0, 0);
	}
	CHECK(!has_message(a.uffd));
	do_continue(&a, k->unit, k->pages - k->unit);
	check_pages(&a, all, 1);
}

static void sync_continue_errors(const struct kind *k)
{
	struct area a;

	populate(&a, k);
	enter_cold(&a, SYNC, MINOR);
	do_continue(&a, 0, k->unit);
	CHECK_EQ(try_continue(&a, 0, k->unit, 0, NULL), -EEXIST);
	/* nothing in the page cache */
	CHECK(!madvise(page_of(&a, k->unit), k->unit * page_size,
		       MADV_REMOVE));
	CHECK_EQ(try_continue(&a, k->unit, k->unit, 0, NULL), -EFAULT);
	CHECK_EQ(try_continue(&a, 0, k->unit, UFFDIO_CONTINUE_MODE_WP, NULL),
		 -EINVAL);
	check_pages(&a, first_unit, 1);
}

/* UFFDIO_SET_MODE and then UFFDIO_UNREGISTER let waiters go. */
static void sync_leave(const struct kind *k)
{
	struct access acc;
	struct area a;

	populate(&a, k);
	enter_cold(&a, SYNC, MINOR);
	access_start(&acc, ACCESS_READ, a.mem);
	EXPECT_MESSAGE(&a, 0, FLAG_MINOR);
	access_waits(&acc);
	set_async(&a);
	access_join(&acc);
	CHECK_EQ(acc.word, word_of(1, 0, 0));
	set_sync(&a);
	deactivate(&a);
	access_start(&acc, ACCESS_WRITE, a.mem);
	access_waits(&acc);
	unregister(&a, 0, a.pages);
	access_join(&acc);
	CHECK_EQ(*(u64 *)a.mem, ACCESS_VALUE);
	CHECK_EQ(try_register(a.uffd, a.mem, a.pages, MINOR, NULL), 0);
	deactivate(&a);
	access_start(&acc, ACCESS_READ, a.mem);
	access_waits(&acc);
	close(a.uffd);
	access_join(&acc);
	CHECK_EQ(acc.word, ACCESS_VALUE);
}

/* -- what could lose content is refused */

static void private_refused(const struct kind *k)
{
	struct area a, b;
	u64 ioctls = 0;

	populate(&b, k);
	map(&a, MAP_PRIVATE);
	/* copied on write, and so in no page cache */
	write_pages(&a, part, 2);
	check_pages(&a, not_part, 1);
	for (int features = 0; features < 2; features++) {
		a.uffd = open_uffd(features ? SYNC : ASYNC);
		/* what can be registered cannot be deactivated */
		if (!try_register(a.uffd, a.mem, a.pages, MINOR, &ioctls)) {
			CHECK(!(ioctls & 1ULL << _UFFDIO_DEACTIVATE));
			CHECK_EQ(try_deactivate(&a, 0, a.pages), -EINVAL);
			CHECK_EQ(try_deactivate(&a, 0, k->unit), -EINVAL);
		} else {
			CHECK_EQ(try_deactivate(&a, 0, a.pages), -ENOENT);
		}
		EXPECT(&a, all, PRESENT | DEACT, PRESENT, 0);
		check_pages(&a, part, 2);
		check_pages(&a, not_part, 1);
		close(a.uffd);
	}
	check_pages(&b, all, 1);
}

/* -- shmem only */

static void shmem_anon_shared(void)
{
	size_t len = PAGES * page_size;
	struct handler h;
	struct area a;

	kind = &shmem;
	a = (struct area){ .pages = PAGES };
	a.mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(a.mem != MAP_FAILED);
	a.pagemap = open_pagemap(getpid());
	write_pages(&a, all, 1);
	enter_cold(&a, SYNC, MINOR);
	handler_start(&h, &a);
	check_pages(&a, all, 1);
	handler_stop(&h);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), 1);
}

/* Swapped out in between, by way of the only mapping that is left */
static void shmem_swap(u64 features)
{
	struct handler h;
	struct area a, b;

	populate(&a, &shmem);
	enter(&a, features, MINOR_WP);
	write_pages(&a, third, 2);
	deactivate(&a);
	map(&b, MAP_SHARED);
	touch_pages(&b, all);
	need_swap();
	for (int i = 0; i < 20; i++)
		CHECK(!madvise(b.mem, b.pages * page_size, MADV_PAGEOUT));
	scan(&b, PRESENT, 0);
	CHECK(count(&b, PRESENT) < PAGES);
	handler_start(&h, &a);
	check_pages(&a, third, 2);
	handler_stop(&h);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < PAGES; p++) {
		CHECK_EQ(handler_count(&h, p), features == SYNC && third(p));
		CHECK_EQ(cats[p] & PRESENT, third(p) ? PRESENT : 0);
		if (third(p))
			CHECK_EQ(cats[p] & WRITTEN, WRITTEN);
	}
	for (size_t p = 0; p < PAGES; p++)
		check_words((u64 *)page_of(&b, p), p, third(p) ? 2 : 1);
}

static void shmem_swap_async(void)
{
	shmem_swap(ASYNC);
}

static void shmem_swap_sync(void)
{
	shmem_swap(SYNC);
}

/* A huge page in the page cache, mapped as one, of which a part is zapped */
static void shmem_thp_partial(void)
{
	static struct kind large = { 0, 1, 0 };
	struct handler h;
	struct area a;
	size_t len;

	large.pages = huge_pages();
	len = large.pages * page_size;
	if (!file_write(SHMEM_HUGE, "advise"))
		skip("no huge pages in shmem");
	kind = &large;
	a = (struct area){ .pages = large.pages };
	a.mem = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(a.mem != MAP_FAILED);
	a.mem = (char *)(((uintptr_t)a.mem + len - 1) & -len);
	a.pagemap = open_pagemap(getpid());
	CHECK(!madvise(a.mem, len, MADV_HUGEPAGE));
	write_pages(&a, all, 1);
	file_write(SHMEM_HUGE, "never");
	scan(&a, PRESENT, 0);
	if (!(cats[0] & HUGE))
		skip("got no huge page");
	enter(&a, SYNC, MINOR);
	CHECK_EQ(try_deactivate(&a, PAGES / 3, PAGES / 3), 0);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < a.pages; p++)
		if (middle(p))
			CHECK_EQ(cats[p] & PRESENT, 0);
	handler_start(&h, &a);
	check_pages(&a, all, 1);
	handler_stop(&h);
	for (size_t p = PAGES / 3; p < 2 * PAGES / 3; p++)
		CHECK(handler_count(&h, p) >= 1);
}

/* Only what is mapped is locked into memory, so it stays mapped. */
static void shmem_locked_stays(void)
{
	struct area a;

	populate(&a, &shmem);
	enter(&a, ASYNC, MINOR);
	CHECK(!mlock(a.mem, a.pages * page_size));
	deactivate(&a);
	EXPECT(&a, all, PRESENT, PRESENT, 0);
	CHECK(!munlock(a.mem, a.pages * page_size));
	deactivate(&a);
	EXPECT(&a, all, PRESENT, 0, 0);
	check_pages(&a, all, 1);
}

/* -- hugetlb only */

static void hugetlb_unaligned(void)
{
	struct area a;

	populate(&a, &hugetlb);
	enter(&a, ASYNC, MINOR);
	CHECK_EQ(try_deactivate(&a, 1, HUGETLB_PAGES), -EINVAL);
	CHECK_EQ(try_deactivate(&a, 0, 1), -EINVAL);
	CHECK_EQ(try_deactivate(&a, 0, HUGETLB_PAGES + 1), -EINVAL);
	CHECK_EQ(try_deactivate(&a, HUGETLB_PAGES - 1, HUGETLB_PAGES + 1),
		 -EINVAL);
	EXPECT(&a, all, PRESENT, PRESENT, 0);
	check_pages(&a, all, 1);
}

/* What says that there is no page is no page that could be deactivated. */
static void poison_stays(const struct kind *k)
{
	struct uffdio_poison poison = { 0 };
	struct iovec from = { .iov_len = 8 }, to = { .iov_len = 8 };
	struct area a;
	u64 word;

	populate(&a, k);
	enter_cold(&a, ASYNC | UFFD_FEATURE_POISON, MINOR);
	poison.range.start = (uintptr_t)page_of(&a, k->unit);
	poison.range.len = k->unit * page_size;
	from.iov_base = page_of(&a, k->unit);
	to.iov_base = &word;
	CHECK(!ioctl(a.uffd, UFFDIO_POISON, &poison));
	deactivate(&a);
	CHECK_EQ(process_vm_readv(getpid(), &to, 1, &from, 1, 0), -1);
	expect_signal(SIGBUS, page_of(&a, k->unit), false);
	check_pages(&a, first_unit, 1);
}

#define CASES(X) \
	X(other_mapping) X(async_refault) X(part_of_range) X(async_alone) \
	X(unregister_is_ordinary) X(fork_is_free) X(pinned) X(wp_written) \
	X(look) X(look_wp) \
	X(wp_written_sync) X(sync_waits) X(sync_continue_errors) \
	X(sync_leave) X(private_refused) X(poison_stays)

#define FUNCTIONS(name) \
	static void shmem_##name(void) { name(&shmem); } \
	static void hugetlb_##name(void) { name(&hugetlb); }

#define ENTRIES(name) TEST(shmem_##name), TEST(hugetlb_##name),

CASES(FUNCTIONS)

const struct test tests[] = {
	CASES(ENTRIES)
	TEST(shmem_anon_shared),
	TEST(shmem_look_at_hole),
	TEST(shmem_look_at_swapped),
	TEST(shmem_swap_async),
	TEST(shmem_swap_sync),
	TEST(shmem_thp_partial),
	TEST(shmem_locked_stays),
	TEST(hugetlb_unaligned),
	{ 0 }
};
