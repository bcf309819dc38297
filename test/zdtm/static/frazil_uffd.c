// SPDX-License-Identifier: GPL-2.0-only
/*
 * A task that had a userfaultfd before it was tracked: it filled memory with it, write-protected
 * some, unregistered some, unmapped some, and closed it. Nothing of that is left, so all of it
 * is tracked as other memory is; a page that still counts as protected by the old userfaultfd
 * comes back with an older generation. And after a restore nothing of the tracker's is left: the
 * task can register all its memory again.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "frazil.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

const char *test_doc = "A task that had a userfaultfd is tracked, and can have another one";
const char *test_author = "Frazil";

#define PAGES 512
#define BYTES (PAGES * PAGE_BYTES)

static int register_area(int fd, const struct area *a, uint64_t mode)
{
	struct uffdio_register reg = { .range = { (uintptr_t)a->mem, BYTES }, .mode = mode };

	return ioctl(fd, UFFDIO_REGISTER, &reg);
}

static int unregister_area(int fd, const struct area *a)
{
	struct uffdio_range range = { (uintptr_t)a->mem, BYTES };

	return ioctl(fd, UFFDIO_UNREGISTER, &range);
}

static int open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* filled: as lazy restores do; guarded: left write-protected; gone: unmapped. */
static int use_uffd(struct area *filled, struct area *guarded, struct area *gone)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)guarded->mem, BYTES },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	uint64_t page[PAGE_WORDS] __attribute__((aligned(4096)));
	struct uffdio_copy copy = { .src = (uintptr_t)page, .len = PAGE_BYTES };
	int fd = open_uffd();
	unsigned int i;

	if (fd < 0)
		return pr_perror("no userfaultfd");
	if (register_area(fd, filled, UFFDIO_REGISTER_MODE_MISSING) ||
	    register_area(fd, guarded, UFFDIO_REGISTER_MODE_WP) || register_area(fd, gone, UFFDIO_REGISTER_MODE_WP))
		return pr_perror("cannot register");
	for (i = 0; i < PAGES; i++) {
		page_write(page, filled->first + i, ++filled->gens[i]);
		copy.dst = (uintptr_t)area_page(filled, i);
		if (ioctl(fd, UFFDIO_COPY, &copy))
			return pr_perror("cannot fill page %u", i);
	}
	wp.range.start = (uintptr_t)gone->mem;
	if (area_write(guarded, 0, PAGES) || area_write(gone, 0, PAGES) || ioctl(fd, UFFDIO_WRITEPROTECT, &wp))
		return pr_perror("cannot write-protect");
	wp.range.start = (uintptr_t)guarded->mem;
	if (ioctl(fd, UFFDIO_WRITEPROTECT, &wp) || unregister_area(fd, filled) || munmap(gone->mem, BYTES))
		return pr_perror("cannot leave it");
	close(fd);

	/* Likely where that was. */
	return area_map(gone, PAGES, gone->first + PAGES);
}

/* That of a lazy restore goes when all pages are there. */
static int use_it_again(const struct area *a, unsigned int nr)
{
	int fd = open_uffd(), patience = 100;
	unsigned int i;

	if (fd < 0)
		return pr_perror("no userfaultfd any more");
	for (i = 0; i < nr; i++) {
		while (register_area(fd, &a[i], UFFDIO_REGISTER_MODE_WP)) {
			if (errno != EBUSY || !patience--)
				return fail("%p cannot be registered", a[i].mem);
			usleep(100000);
		}
		if (unregister_area(fd, &a[i]))
			return fail("%p cannot be unregistered", a[i].mem);
	}
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct area a[3];
	int bad;

	test_init(argc, argv);

	bad = area_map(&a[0], PAGES, 0) || area_map(&a[1], PAGES, PAGES) || area_map(&a[2], PAGES, 2 * PAGES) ||
	      use_uffd(&a[0], &a[1], &a[2]);
	if (bad)
		return 1;

	test_daemon();
	while (test_go() && !bad) {
		bad = area_write(&a[any(3)], any(PAGES), 1) || area_check(&a[any(3)], any(PAGES), 1);
		usleep(500);
	}

	bad = bad || area_check_all(&a[0]) || area_check_all(&a[1]) || area_check_all(&a[2]) || use_it_again(a, 3);
	return test_end(bad);
}
