// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two processes write to memory that they share, anonymous and of a memfd, and each reads
 * what the other one wrote. Such memory is not tracked per task: it has to be dumped as CRIU
 * does it, whole or by what both processes say of it. A page that one of them wrote and that
 * was left out because the other one did not comes back with an older generation than its
 * writer, or the process that has read it last, remembers.
 */
#include "frazil.h"

const char *test_doc = "Shared memory that two processes write to has its last generations";
const char *test_author = "Frazil";

#define PAGES 512

/*
 * Even pages are written by one, odd ones by the other. Of its own pages a process has the
 * generation, of the other's the last that it saw.
 */
static struct area mem[2];
static char *peek[2]; /* a second mapping of the memfd's pages */

static int write_mine(struct area *a, unsigned int mine)
{
	unsigned int page = any(PAGES / 2) * 2 + mine;

	/* Pages that count as clean in this mapping may be written through that one. */
	if (page_check(peek[a - mem] + page * PAGE_BYTES, a->first + page, a->gens[page]))
		return 1;
	if (any(2))
		return area_write(a, page, 1);
	page_write(peek[a - mem] + page * PAGE_BYTES, a->first + page, ++a->gens[page]);
	return area_check(a, page, 1);
}

/* @done: nobody writes any more. */
static int read_theirs(struct area *a, unsigned int page, bool done)
{
	uint64_t word = __atomic_load_n((uint64_t *)area_page(a, page), __ATOMIC_SEQ_CST);
	unsigned int gen = word;

	if (gen < a->gens[page] || (word && word >> 32 != a->first + page))
		return fail("page %u was of generation %u, and now it is page %u of generation %u", a->first + page,
			    a->gens[page], (unsigned int)(word >> 32), gen);
	a->gens[page] = gen;
	return done ? area_check(a, page, 1) : 0;
}

static int work(void *arg)
{
	unsigned int mine = arg != NULL, i;
	int bad = 0;

	while (test_go() && !bad) {
		for (i = 0; i < 2 && !bad; i++)
			bad = write_mine(&mem[i], mine) || read_theirs(&mem[i], any(PAGES / 2) * 2 + !mine, false);
		usleep(500);
	}
	for (i = 0; i < PAGES; i += 2)
		bad |= area_check(&mem[0], i + mine, 1) || area_check(&mem[1], i + mine, 1);
	return bad;
}

static int map(struct area *a, int fd, unsigned int first)
{
	int flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);

	a->pages = PAGES;
	a->first = first;
	a->gens = calloc(PAGES, sizeof(*a->gens));
	a->mem = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);
	return !a->gens || a->mem == MAP_FAILED ? pr_perror("cannot map shared memory") : 0;
}

int main(int argc, char **argv)
{
	unsigned int i;
	int fd, bad;
	pid_t pid;

	test_init(argc, argv);

	fd = memfd_create("frazil", 0);
	if (fd < 0 || ftruncate(fd, PAGES * PAGE_BYTES)) {
		pr_perror("memfd");
		return 1;
	}
	if (map(&mem[0], -1, 0) || map(&mem[1], fd, PAGES))
		return 1;
	peek[0] = mem[0].mem;
	peek[1] = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (peek[1] == MAP_FAILED) {
		pr_perror("cannot map it twice");
		return 1;
	}
	if (area_write(&mem[0], 0, PAGES) || area_write(&mem[1], 0, PAGES))
		return 1;
	pid = worker_start(work, &mem);
	if (pid < 0)
		return 1;

	test_daemon();
	bad = work(NULL);
	bad |= worker_stop(pid);
	for (i = 1; i < PAGES; i += 2)
		bad |= read_theirs(&mem[0], i, true) || read_theirs(&mem[1], i, true);
	return test_end(bad);
}
