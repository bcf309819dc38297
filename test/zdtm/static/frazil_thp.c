// SPDX-License-Identifier: GPL-2.0-only
/*
 * Huge pages are written to, split by what is done to a part of them, collapsed and made
 * anew. Whether a page was written is known of all of a huge page or of each small one, and
 * is handed on each time: what is lost on that way shows as an older generation, what is
 * left over from the pages before as a page of the parent image where zeroes are due. Where
 * there are no huge pages, this is one more test of mappings that change.
 */
#include "frazil.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

const char *test_doc = "Huge pages that are split, collapsed and written have their content";
const char *test_author = "Frazil";

#define HUGE_BYTES (2ul << 20)
#define HUGE_PAGES ((unsigned int)(HUGE_BYTES / PAGE_BYTES))
#define REGIONS	   6

static int renew(char *mem, size_t bytes)
{
	if (munmap(mem, bytes) ||
	    mmap(mem, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != mem)
		return pr_perror("cannot map a part anew");
	/* EINVAL without CONFIG_TRANSPARENT_HUGEPAGE */
	madvise(mem, bytes, MADV_HUGEPAGE);
	return 0;
}

static int write_some(struct area *a)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		if (area_write(a, any(HUGE_PAGES), 1))
			return 1;
	return 0;
}

/* @a is aligned, and one huge page long. */
static int change(struct area *a)
{
	unsigned int page = any(HUGE_PAGES), pages = 1 + any(HUGE_PAGES - page);
	char *part = area_page(a, page);

	if (area_check_all(a))
		return 1;
	switch (any(5)) {
	case 0:
		area_zeroed(a, page, pages);
		return renew(part, pages * PAGE_BYTES) || area_write(a, page, 1);
	case 1:
		if (mprotect(part, pages * PAGE_BYTES, PROT_READ))
			return pr_perror("mprotect");
		usleep(5000);
		return area_check(a, page, pages) || mprotect(part, pages * PAGE_BYTES, PROT_READ | PROT_WRITE) ||
		       area_write(a, page, 1);
	case 2:
		area_zeroed(a, page, pages);
		return madvise(part, pages * PAGE_BYTES, MADV_DONTNEED);
	case 3:
		/* All of it, with the leftovers of splits: the first write makes a huge page. */
		area_zeroed(a, 0, HUGE_PAGES);
		return renew(a->mem, HUGE_BYTES) || area_write(a, page, 1);
	default:
		/* Not in all kernels, and not always possible. */
		madvise(a->mem, HUGE_BYTES, MADV_COLLAPSE);
		return 0;
	}
}

int main(int argc, char **argv)
{
	struct area all, regions[REGIONS];
	char *mem;
	int bad, i;

	test_init(argc, argv);

	if (area_map(&all, (REGIONS + 1) * HUGE_PAGES, 0))
		return 1;
	mem = (char *)(((uintptr_t)all.mem + HUGE_BYTES - 1) & -HUGE_BYTES);
	bad = renew(mem, REGIONS * HUGE_BYTES);
	for (i = 0; i < REGIONS && !bad; i++) {
		regions[i] = (struct area){
			.mem = mem + i * HUGE_BYTES,
			.gens = all.gens + i * HUGE_PAGES,
			.pages = HUGE_PAGES,
			.first = i * HUGE_PAGES,
		};
		/* The last one is never more than looked at. */
		bad = area_write(&regions[i], 0, HUGE_PAGES);
	}
	if (bad)
		return 1;

	test_daemon();
	while (test_go() && !bad) {
		struct area *a = &regions[any(REGIONS - 1)];

		bad = write_some(a) || (!any(4) && change(a)) || write_some(a) ||
		      area_check(&regions[REGIONS - 1], any(HUGE_PAGES), 1);
		usleep(1000);
	}

	for (i = 0; i < REGIONS; i++)
		bad |= area_check_all(&regions[i]);
	return test_end(bad);
}
