// SPDX-License-Identifier: GPL-2.0-only
/*
 * tricks REPORT MIB TRICK [BEFORE] - a task that does to its memory what makes pages look as if nobody wrote to them
 *
 * It has a mapping of MIB MiB, and another that was the end of it and was moved elsewhere. Writes its
 * pid to REPORT, and a line for each signal. At SIGUSR1 it plays the trick and writes to all pages of
 * the first: "wrote GENERATION". At SIGUSR2 it looks whether everything is there: "ok GENERATION", or
 * "wrong ADDRESS".
 *
 * merge: moves the end back, unless it did, so that they are one mapping again. Moved memory does not stay
 * registered with userfaultfd, and then Linux 6.18 forgets that what it is merged with is
 * registered, too, and leaves its pages marked as protected, which they are not.
 *
 * merge-empty: the same, and there is nothing in the end.
 *
 * replace: discards the pages, and makes those unreadable for a while that it writes in their place. Where
 * pages are deactivated, that closes them, with kernel/series.
 *
 * With BEFORE, as many MiB more that nobody uses are in front of it: whoever reads memory in the order of
 * addresses comes to the rest when the trick has been played.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul
#define END  (16 * PAGE)
#define MARK 0x656e6400ul

static FILE *report;
static char *first, *moved;
static size_t bytes;
static unsigned long generation;
static bool replaces, ends_empty;

static uint64_t *word(char *area, size_t offset)
{
	return (uint64_t *)(area + offset);
}

static void *must_map(void *at, size_t len, int prot)
{
	void *p = mmap(at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

	if (p == MAP_FAILED) {
		perror("tricks: mmap");
		_exit(1);
	}
	return p;
}

static void move(char *to)
{
	if (mremap(moved, END, END, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to) {
		perror("tricks: mremap");
		_exit(1);
	}
	moved = to;
}

static void write_all(void)
{
	size_t i;

	for (i = 0; i < bytes; i += PAGE)
		*word(first, i) = generation + i;
}

static void protect(int prot)
{
	if (mprotect(first, bytes, prot)) {
		perror("tricks: mprotect");
		_exit(1);
	}
}

static void on_write(void)
{
	generation++;
	if (replaces)
		madvise(first, bytes, MADV_DONTNEED);
	else if (moved != first + bytes)
		move(first + bytes);
	write_all();
	if (replaces) {
		protect(PROT_NONE);
		protect(PROT_READ | PROT_WRITE);
	}
	fprintf(report, "wrote %lu\n", generation);
}

static void on_verify(void)
{
	size_t i;

	for (i = 0; i < bytes; i += PAGE)
		if (*word(first, i) != generation + i) {
			fprintf(report, "wrong %p\n", (void *)(first + i));
			return;
		}
	for (i = 0; i < END; i += PAGE)
		if (*word(moved, i) != (ends_empty ? 0 : MARK + i)) {
			fprintf(report, "wrong %p\n", (void *)(moved + i));
			return;
		}
	fprintf(report, "ok %lu\n", generation);
}

int main(int argc, char **argv)
{
	sigset_t set;
	char *space;
	size_t i, before;
	int sig;

	if (argc < 4 || argc > 5 || !(report = fopen(argv[1], "a")) || !(bytes = strtoul(argv[2], NULL, 10) << 20)) {
		fprintf(stderr, "usage: tricks REPORT MIB merge|merge-empty|replace [BEFORE]\n");
		return 2;
	}
	replaces = !strcmp(argv[3], "replace");
	ends_empty = !strcmp(argv[3], "merge-empty");
	setvbuf(report, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);

	before = argc == 5 ? strtoul(argv[4], NULL, 10) << 20 : 0;
	/* Nothing else comes to be beside it, or where the end was. */
	space = must_map(NULL, before + bytes + 8 * END, PROT_NONE);
	if (before)
		memset(must_map(space, before, PROT_READ | PROT_WRITE), 1, before);
	first = must_map(space + before + PAGE, bytes + END, PROT_READ | PROT_WRITE);
	moved = first + bytes;
	write_all();
	for (i = 0; i < END && !ends_empty; i += PAGE)
		*word(moved, i) = MARK + i;
	move(first + bytes + 4 * END);
	must_map(first + bytes, END, PROT_NONE);
	fprintf(report, "%d\n", getpid());
	while (!sigwait(&set, &sig)) {
		if (sig == SIGUSR1)
			on_write();
		else
			on_verify();
	}
	return 0;
}
