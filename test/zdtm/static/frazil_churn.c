// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings come and go, grow, shrink and move, are made read-only and writable again, cut
 * at their ends, split and joined, and have pages taken by MADV_DONTNEED and MADV_FREE, in
 * all the time that dumps take. What was known of a page must neither stay behind at the
 * address for the next mapping there nor move on with it: then pages of the parent image
 * come back where zeroes or other pages are due, or zeroes instead of pages.
 */
#include "frazil.h"

const char *test_doc = "Mappings that change all the time have their pages";
const char *test_author = "Frazil";

#define SLOTS	  64
#define MAX_PAGES 64

static struct slot {
	struct area a;
	unsigned int freed, nr_freed; /* pages that may have been taken */
	bool sealed;
	unsigned int next; /* number of a page that was none yet */
} slots[SLOTS];

static int map(struct slot *s)
{
	struct area *a = &s->a;

	/* Numbers are not used again: what was there before is not to be taken for it. */
	s->next += MAX_PAGES;
	free(a->gens);
	if (area_map(a, 1 + any(MAX_PAGES), (s - slots) << 20 | s->next))
		return 1;
	a->gens = realloc(a->gens, MAX_PAGES * sizeof(*a->gens));
	return area_write(a, any(a->pages), 1);
}

/* A freed page that is written to stays what it is. */
static int settle(struct slot *s)
{
	for (; s->nr_freed; s->freed++, s->nr_freed--) {
		uint64_t *words = (uint64_t *)area_page(&s->a, s->freed);

		if (!__atomic_fetch_add(&words[PAGE_WORDS - 1], 0, __ATOMIC_SEQ_CST))
			area_zeroed(&s->a, s->freed, 1);
	}
	return area_check_all(&s->a);
}

static int move(struct slot *s, int flags)
{
	struct area old = s->a, *a = &s->a;
	size_t bytes = a->pages * PAGE_BYTES;
	int bad = 0;

	a->mem = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->mem == MAP_FAILED ||
	    mremap(old.mem, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | flags, a->mem) != a->mem)
		return pr_perror("cannot move %p to %p", old.mem, a->mem);
	if (flags) {
		old.gens = calloc(old.pages, sizeof(*old.gens));
		bad = area_check_all(&old);
		free(old.gens);
		munmap(old.mem, bytes);
	}
	return bad;
}

static int resize(struct area *a, unsigned int pages)
{
	a->mem = mremap(a->mem, a->pages * PAGE_BYTES, pages * PAGE_BYTES, MREMAP_MAYMOVE);
	if (a->mem == MAP_FAILED)
		return pr_perror("cannot resize from %u to %u pages", a->pages, pages);
	if (pages > a->pages)
		area_zeroed(a, a->pages, pages - a->pages);
	a->pages = pages;
	return area_write(a, any(pages), 1);
}

static int cut_head(struct area *a, unsigned int pages)
{
	if (munmap(a->mem, pages * PAGE_BYTES))
		return pr_perror("cannot cut");
	a->mem += pages * PAGE_BYTES;
	a->first += pages;
	a->pages -= pages;
	memmove(a->gens, a->gens + pages, a->pages * sizeof(*a->gens));
	return 0;
}

static int step(struct slot *s)
{
	struct area *a = &s->a;
	unsigned int page = any(a->pages), pages = 1 + any(a->pages - page);

	if (s->sealed && mprotect(a->mem, a->pages * PAGE_BYTES, PROT_READ | PROT_WRITE))
		return pr_perror("cannot make writable");
	s->sealed = false;
	if (settle(s))
		return 1;

	/* Mostly it writes: what never stays for a round is dumped as a whole each time. */
	switch (any(32)) {
	case 0:
		return munmap(a->mem, a->pages * PAGE_BYTES) || map(s);
	case 1:
		return resize(a, 1 + any(MAX_PAGES));
	case 2:
		return move(s, 0);
	case 3:
		return move(s, MREMAP_DONTUNMAP);
	case 4:
		s->sealed = true;
		return mprotect(a->mem, a->pages * PAGE_BYTES, PROT_READ);
	case 5:
		return mprotect(area_page(a, page), pages * PAGE_BYTES, PROT_READ) || area_check_all(a) ||
		       mprotect(a->mem, a->pages * PAGE_BYTES, PROT_READ | PROT_WRITE);
	case 6:
		area_zeroed(a, page, pages);
		return madvise(area_page(a, page), pages * PAGE_BYTES, MADV_DONTNEED) || area_check(a, page, 1);
	case 7:
		s->freed = page;
		s->nr_freed = pages;
		return madvise(area_page(a, page), pages * PAGE_BYTES, MADV_FREE);
	case 8:
		return page ? cut_head(a, page) : 0;
	default:
		return area_write(a, page, pages);
	}
}

int main(int argc, char **argv)
{
	unsigned int i;
	int bad = 0;

	test_init(argc, argv);

	for (i = 0; i < SLOTS && !bad; i++)
		bad = map(&slots[i]) || area_write(&slots[i].a, 0, slots[i].a.pages);
	if (bad)
		return 1;

	test_daemon();
	while (test_go() && !bad) {
		for (i = 0; i < 4 && !bad; i++)
			bad = step(&slots[any(SLOTS)]);
		usleep(1000);
	}

	for (i = 0; i < SLOTS && !bad; i++)
		bad = mprotect(slots[i].a.mem, PAGE_BYTES, PROT_READ | PROT_WRITE) ||
		      (slots[i].sealed ? area_check_all(&slots[i].a) : settle(&slots[i]));
	return test_end(bad);
}
