/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that knows what has to be in it, for tests that change theirs all the time:
 * zdtm.py does not tell them when it dumps. Each page holds a number, its own for good,
 * and a generation, the last one written; from both follows every word of it. What the
 * generation has to be is kept elsewhere. A page that was changed and then missing in an
 * incremental image comes back with an older one, and a page that came from nowhere as
 * zeroes. To find that, a page is looked at each time before it is written again.
 */
#ifndef FRAZIL_H
#define FRAZIL_H

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zdtmtst.h"

#define PAGE_BYTES 4096ul
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))

struct area {
	char *mem;
	unsigned int *gens; /* of each page; 0: zeroes */
	unsigned int pages;
	unsigned int first; /* number of the first page */
};

/* A random number below @limit, another sequence in each process that never called it. */
static inline unsigned int any(unsigned int limit)
{
	static uint64_t state;

	if (!state)
		state = getpid() * 2654435761ull + 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % limit;
}

static inline uint64_t page_word(unsigned int number, unsigned int gen, unsigned int i)
{
	uint64_t key = (uint64_t)number << 32 | gen;

	if (!gen)
		return 0;
	return i ? key * 0x9e3779b97f4a7c15ull + i : key;
}

static inline void page_write(void *page, unsigned int number, unsigned int gen)
{
	volatile uint64_t *words = page;
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i++)
		words[i] = page_word(number, gen, i);
}

/* Returns 0 if all of the page is as written, otherwise 1. */
static inline int page_check(const void *page, unsigned int number, unsigned int gen)
{
	const volatile uint64_t *words = page;
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i++)
		if (words[i] != page_word(number, gen, i))
			return fail("%p: page %u, generation %u: word %u is %#lx; it begins as page %u, generation %u",
				    page, number, gen, i, (long)words[i], (unsigned int)(words[0] >> 32),
				    (unsigned int)words[0]);
	return 0;
}

/* Maps @pages of private memory, that have numbers from @first on. Returns 0 or 1. */
static inline int area_map(struct area *a, unsigned int pages, unsigned int first)
{
	a->pages = pages;
	a->first = first;
	a->gens = calloc(pages, sizeof(*a->gens));
	a->mem = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return !a->gens || a->mem == MAP_FAILED ? pr_perror("cannot map %u pages", pages) : 0;
}

static inline char *area_page(const struct area *a, unsigned int page)
{
	return a->mem + page * PAGE_BYTES;
}

static inline int area_check(const struct area *a, unsigned int page, unsigned int pages)
{
	unsigned int i;

	for (i = page; i < page + pages; i++)
		if (page_check(area_page(a, i), a->first + i, a->gens[i]))
			return 1;
	return 0;
}

static inline int area_check_all(const struct area *a)
{
	return area_check(a, 0, a->pages);
}

/* Checks pages, and writes their next generation. */
static inline int area_write(struct area *a, unsigned int page, unsigned int pages)
{
	unsigned int i;

	for (i = page; i < page + pages; i++) {
		if (area_check(a, i, 1))
			return 1;
		page_write(area_page(a, i), a->first + i, ++a->gens[i]);
	}
	return 0;
}

/* To be called when the kernel took the pages: they are zeroes now. */
static inline void area_zeroed(struct area *a, unsigned int page, unsigned int pages)
{
	memset(a->gens + page, 0, pages * sizeof(*a->gens));
}

/* A child that does not outlive this process. test_go() tells it when to return. */
static inline pid_t worker_start(int (*work)(void *), void *arg)
{
	pid_t pid = test_fork();

	if (pid)
		return pid < 0 ? (pr_perror("cannot fork"), pid) : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(work(arg) != 0);
}

/* Returns 0 if the child ended well. */
static inline int worker_stop(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) != pid)
		return pr_perror("cannot wait for %d", pid);
	return status ? fail("%d ended with status %#x", pid, status) : 0;
}

/* What main() returns. A test that found something has to wait to be asked for it. */
static inline int test_end(int bad)
{
	test_waitsig();
	if (!bad)
		pass();
	return bad;
}

#endif
