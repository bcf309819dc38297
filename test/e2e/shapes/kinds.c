// SPDX-License-Identifier: GPL-2.0-only
/* The kinds that keep their mappings: what a round does to each. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "shapes.h"

#define RW	(PROT_READ | PROT_WRITE)
#define HUGE	512	/* pages of a huge page */

static void round_anon(struct run *run)
{
	uint32_t pages = run->area->pages;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		/* Some pages are never there until a later round writes them. */
		write_some(run, 0, pages / 2, 1);
		write_some(run, pages / 2, pages, 3);
		return;
	}
	write_some(run, 0, pages, 8);
	read_some(run, 0, pages, 8);
}

/* Two huge pages and a half; writes split them. */
static void round_thp(struct run *run)
{
	uint32_t pages = run->area->pages;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		op_advise(run, 0, pages, MADV_HUGEPAGE);
		write_some(run, 0, pages, 1);
		return;
	}
	write_some(run, 0, HUGE, 200);
	write_some(run, HUGE, pages, 64);
	read_some(run, 0, pages, 400);
	if (run->round % 2 == 0)
		op_advise(run, HUGE + 3, 5, MADV_DONTNEED);
}

/* The first half is there and locked, the second is locked as it comes. */
static void round_locked(struct run *run)
{
	uint32_t pages = run->area->pages, half = pages / 2;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		op_lock(run, 0, half, false);
		op_lock(run, half, pages - half, true);
		write_some(run, 0, pages, 2);
		return;
	}
	write_some(run, 0, pages, 5);
}

static void round_sparse(struct run *run)
{
	uint32_t pages = run->area->pages;

	if (!run->round)
		op_map(run, 0, pages, RW);
	write_some(run, 0, pages, 6);
}

/* Neighbours differ in protection, so that each page is a mapping. */
static void round_many(struct run *run)
{
	uint32_t pages = run->area->pages;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		write_some(run, 0, pages, 5);
		for (uint32_t i = 1; i < pages; i += 2)
			op_protect(run, i, 1, PROT_READ);
		return;
	}
	write_some(run, 0, pages, 20);
	read_some(run, 0, pages, 20);
	/* Some pairs change places; the pages between stay what they are. */
	for (uint32_t i = 0; i + 1 < pages; i += 2) {
		int first = run->cells[i].protection;

		if (dice(run, i + pages) % 100)
			continue;
		op_protect(run, i, 1, run->cells[i + 1].protection);
		op_protect(run, i + 1, 1, first);
	}
}

/* Grows by a few pages in each round, with a gap that is not written. */
static void round_growsdown(struct run *run)
{
	uint32_t pages = run->area->pages, low = pages - 4;

	if (!run->round)
		op_map(run, low, 4, RW);
	while (low && run->cells[low - 1].mapped)
		low--;
	write_some(run, low, pages, 4);
	if (low >= 5) {
		op_write(run, low - 2);
		op_write(run, low - 5);
	}
}

/* Each round has a new block, that the caller has made below the others. */
static void round_mainstack(struct run *run)
{
	uint32_t from = run->round * STACK_BLOCK;

	op_map(run, from, STACK_BLOCK, RW);
	for (uint32_t i = from; i < from + STACK_BLOCK; i++)
		run->cells[i].fresh = false;
	write_some(run, from, from + STACK_BLOCK, 1);
	write_some(run, 0, from, 6);
}

/* One half is taken away in odd rounds, the other in even ones; half of it is written. */
static void alternate(struct run *run, int taken)
{
	uint32_t pages = run->area->pages, half = pages / 2;
	bool odd = run->round % 2;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		write_some(run, 0, pages - 4, 1);
		op_protect(run, half, pages - half, taken);
		return;
	}
	op_protect(run, odd ? half : 0, half, RW);
	write_some(run, 0, pages, 3);
	op_protect(run, odd ? 0 : half, half, taken);
	read_some(run, odd ? half : 0, odd ? pages : half, 4);
}

static void round_protnone(struct run *run)
{
	alternate(run, PROT_NONE);
}

static void round_readonly(struct run *run)
{
	alternate(run, PROT_READ);
}

/* Readable in name only in odd rounds; all of it, so that the mapping stays one. */
static void round_writeonly(struct run *run)
{
	uint32_t pages = run->area->pages;

	if (!run->round)
		op_map(run, 0, pages, RW);
	write_some(run, 0, pages, 4);
	op_protect(run, 0, pages, run->round % 2 ? PROT_WRITE : RW);
}

/* Its threads write it; see busy.c. They are not in a forked child. */
static void round_busy(struct run *run)
{
	if (run->round)
		return;
	op_map(run, 0, run->area->pages, RW);
	op_advise(run, 0, run->area->pages, MADV_DONTFORK);
	if (run->live)
		busy_start(run->area);
}

const struct kind kinds_plain[] = {
	{ .name = "anon", .pages = 256, .round = round_anon },
	{ .name = "thp", .pages = 2 * HUGE + HUGE / 2, .vm_flag = "hg", .round = round_thp },
	{ .name = "locked", .pages = 48, .vm_flag = "lo", .flag_not_forked = true, .round = round_locked },
	{ .name = "sparse", .pages = 64, .stride = 262144, .map_flags = MAP_NORESERVE, .round = round_sparse },
	{ .name = "many", .pages = 10000, .round = round_many },
	{ .name = "growsdown", .pages = 128, .map_flags = MAP_GROWSDOWN, .vm_flag = "gd", .grows_down = true,
	  .round = round_growsdown },
	{ .name = "mainstack", .backing = STACK, .pages = (MAX_ROUNDS + 1) * STACK_BLOCK, .round = round_mainstack },
	{ .name = "protnone", .pages = 64, .inexact = true, .round = round_protnone },
	{ .name = "readonly", .pages = 64, .round = round_readonly },
	{ .name = "writeonly", .pages = 32, .inexact = true, .round = round_writeonly },
	{ .name = "busy", .pages = 96, .inexact = true, .threaded = true, .round = round_busy },
	{ 0 }
};

static const struct kind *const tables[] = { kinds_plain, kinds_churn, kinds_shared };

/* NULL if there is no kind of that name, of which @length bytes count. */
const struct kind *kind_find(const char *name, size_t length)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct kind *k = tables[t]; k->name; k++)
			if (strlen(k->name) == length && !memcmp(k->name, name, length))
				return k;
	return NULL;
}

/* Writes the names of all kinds, a line each. */
void kinds_list(int fd)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct kind *k = tables[t]; k->name; k++)
			dprintf(fd, "%s\n", k->name);
}
