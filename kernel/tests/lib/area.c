// SPDX-License-Identifier: GPL-2.0
/* Areas of memory, their contents and their registration with a userfaultfd. */
#define _GNU_SOURCE
#include "lib.h"

/* -- sets of pages */

bool all(size_t page)
{
	return page != SIZE_MAX;
}

bool none(size_t page)
{
	return page == SIZE_MAX;
}

bool first(size_t page)
{
	return page == 0;
}

bool even(size_t page)
{
	return page % 2 == 0;
}

bool odd(size_t page)
{
	return page % 2;
}

bool third(size_t page)
{
	return page % 3 == 0;
}

bool sixth(size_t page)
{
	return page % 6 == 0;
}

bool even_or_third(size_t page)
{
	return even(page) || third(page);
}

bool middle(size_t page)
{
	return page >= PAGES / 3 && page < 2 * PAGES / 3;
}

bool not_middle(size_t page)
{
	return !middle(page);
}

/* -- contents */

char *page_of(const struct area *a, size_t page)
{
	return a->mem + page * page_size;
}

u64 word_of(u64 seed, size_t page, size_t word)
{
	return (seed << 40) + (page << 12) + word;
}

void fill_words(u64 *w, size_t page, u64 seed)
{
	for (size_t i = 0; i < page_size / sizeof(*w); i++)
		w[i] = word_of(seed, page, i);
}

void write_pages(const struct area *a, rule_t rule, u64 seed)
{
	for (size_t p = 0; p < a->pages; p++) {
		volatile u64 *w = (u64 *)page_of(a, p);

		if (!rule(p))
			continue;
		for (size_t i = 0; i < page_size / sizeof(*w); i++)
			w[i] = word_of(seed, p, i);
	}
}

void check_words(const u64 *w, size_t page, u64 seed)
{
	for (size_t i = 0; i < page_size / sizeof(*w); i++)
		if (w[i] != word_of(seed, page, i))
			fail("page %zu word %zu is %#llx, not %#llx", page, i,
			     (unsigned long long)w[i],
			     (unsigned long long)word_of(seed, page, i));
}

void check_pages(const struct area *a, rule_t rule, u64 seed)
{
	for (size_t p = 0; p < a->pages; p++)
		if (rule(p))
			check_words((u64 *)page_of(a, p), p, seed);
}

void check_zero(const struct area *a, rule_t rule)
{
	for (size_t p = 0; p < a->pages; p++) {
		volatile u64 *w = (u64 *)page_of(a, p);

		for (size_t i = 0; rule(p) && i < page_size / sizeof(*w); i++)
			if (w[i])
				fail("page %zu word %zu is not zero", p, i);
	}
}

void touch_pages(const struct area *a, rule_t rule)
{
	for (size_t p = 0; p < a->pages; p++)
		if (rule(p))
			(void)*(volatile char *)page_of(a, p);
}

/* -- memory and its userfaultfd */

void area_map(struct area *a, size_t pages, size_t align)
{
	size_t len = pages * page_size;
	char *mem;

	CHECK(pages <= MAX_PAGES);
	mem = mmap(NULL, len + align + 2 * page_size, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(mem != MAP_FAILED);
	mem = (char *)(((uintptr_t)mem + page_size + align - 1) & -align);
	CHECK(!mprotect(mem, len, PROT_READ | PROT_WRITE));
	CHECK(!madvise(mem, len, MADV_NOHUGEPAGE) || errno == EINVAL);
	*a = (struct area){ .mem = mem, .pages = pages, .uffd = -1,
			    .pagemap = -1 };
}

int uffd_of(int fd, u64 features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int err;

	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int try_uffd(u64 features)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	int fd;

	fd = syscall(SYS_userfaultfd, flags);
	if (fd < 0 && errno == EPERM)
		fd = syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
	return fd < 0 ? -errno : uffd_of(fd, features);
}

int open_uffd(u64 features)
{
	int fd = try_uffd(features);

	if (fd < 0)
		fail("userfaultfd with features %#llx: errno %d",
		     (unsigned long long)features, -fd);
	return fd;
}

int try_register(int uffd, void *mem, size_t pages, u64 mode,
			u64 *ioctls)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)mem, .len = pages * page_size },
		.mode = mode,
	};

	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	if (ioctls)
		*ioctls = reg.ioctls;
	return 0;
}

int range_ioctl(int uffd, unsigned long cmd, u64 start, u64 len)
{
	struct uffdio_range range = { .start = start, .len = len };

	return ioctl(uffd, cmd, &range) ? -errno : 0;
}

int try_deactivate(const struct area *a, size_t page, size_t pages)
{
	int err;

	do {
		err = range_ioctl(a->uffd, UFFDIO_DEACTIVATE,
				  (uintptr_t)page_of(a, page),
				  pages * page_size);
	} while (err == -EAGAIN);
	return err;
}

void deactivate(const struct area *a)
{
	CHECK_EQ(try_deactivate(a, 0, a->pages), 0);
}

void deactivate_pages(const struct area *a, rule_t rule)
{
	for (size_t p = 0; p < a->pages; p++)
		if (rule(p))
			CHECK_EQ(try_deactivate(a, p, 1), 0);
}

void unregister(const struct area *a, size_t page, size_t pages)
{
	CHECK_EQ(range_ioctl(a->uffd, UFFDIO_UNREGISTER,
			     (uintptr_t)page_of(a, page), pages * page_size),
		 0);
}

void writeprotect(const struct area *a, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)a->mem,
			   .len = a->pages * page_size },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	CHECK(!ioctl(a->uffd, UFFDIO_WRITEPROTECT, &wp));
}

void protect_middle(const struct area *a, int prot)
{
	CHECK(!mprotect(page_of(a, PAGES / 3), PAGES / 3 * page_size, prot));
}

int try_set_mode(int uffd, u64 enable, u64 disable)
{
	struct uffdio_set_mode mode = { .enable = enable, .disable = disable };

	return ioctl(uffd, UFFDIO_SET_MODE, &mode) ? -errno : 0;
}

void set_async(const struct area *a)
{
	CHECK_EQ(try_set_mode(a->uffd, UFFD_FEATURE_MINOR_ASYNC, 0), 0);
}

void set_sync(const struct area *a)
{
	CHECK_EQ(try_set_mode(a->uffd, 0, UFFD_FEATURE_MINOR_ASYNC), 0);
}

void area_register(struct area *a, u64 features, u64 mode)
{
	a->uffd = open_uffd(features);
	a->pagemap = open_pagemap(getpid());
	CHECK_EQ(try_register(a->uffd, a->mem, a->pages, mode, NULL), 0);
}
/* -- areas ready for use */

void area_init_aligned(struct area *a, size_t pages, size_t align,
		       u64 features, u64 mode)
{
	area_map(a, pages, align);
	write_pages(a, all, 1);
	area_register(a, features, mode);
	if (mode & UFFDIO_REGISTER_MODE_WP)
		arm(a);
}

void area_init(struct area *a, u64 features, u64 mode)
{
	area_init_aligned(a, PAGES, page_size, features, mode);
}

void area_init_cold(struct area *a, u64 features, u64 mode)
{
	area_init(a, features, mode);
	deactivate(a);
	EXPECT(a, all, DEACT | PRESENT, DEACT | PRESENT, 0);
}

/* -- one transparent huge page */

size_t huge_pages(void)
{
	long size = file_number(
		"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");

	if (size <= 0)
		skip("no transparent huge pages");
	return size / page_size;
}

void huge_map(struct area *a)
{
	size_t pages = huge_pages();

	area_map(a, pages, pages * page_size);
	CHECK(!madvise(a->mem, pages * page_size, MADV_HUGEPAGE));
}

void huge_init(struct area *a, u64 features, u64 mode)
{
	long kb;

	huge_map(a);
	write_pages(a, all, 1);
	kb = a->pages * page_size / 1024;
	if (smaps_kb(a, "AnonHugePages:") != kb)
		skip("got no huge page");
	area_register(a, features, mode);
	if (mode & UFFDIO_REGISTER_MODE_WP)
		arm(a);
	EXPECT(a, all, HUGE, HUGE, 0);
}

void huge_init_cold(struct area *a, u64 features, u64 mode)
{
	huge_init(a, features, mode);
	deactivate(a);
	EXPECT(a, all, DEACT | HUGE | PRESENT, DEACT | HUGE | PRESENT, 0);
}
