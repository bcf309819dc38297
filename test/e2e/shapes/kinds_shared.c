// SPDX-License-Identifier: GPL-2.0-only
/* The kinds that have a file, or that more than one process writes. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "shapes.h"

#define RW	(PROT_READ | PROT_WRITE)

/*
 * Each page that a round writes is written by one of the processes that have it;
 * @one_in of these through the file, if @one_in is not 0.
 */
static void share(struct run *run, uint32_t one_in)
{
	bool with_exec = run->area->kind->backing == SHARED_FILE;

	if (!run->round)
		op_map(run, 0, run->area->pages, RW);
	for (uint32_t page = 0; page < run->area->pages; page++) {
		uint64_t d = dice(run, page);

		if (d % 4 == 0)
			op_write_as(run, page, tree_pick(run->round, d >> 32, with_exec),
				    one_in && (d >> 16) % one_in == 0);
	}
}

static void round_shared(struct run *run)
{
	share(run, 0);
}

static void round_file(struct run *run)
{
	share(run, 2);
}

/* A page that was written and is given back is that of the file again. */
static void round_filepriv(struct run *run)
{
	uint32_t pages = run->area->pages;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		write_some(run, 0, pages / 2, 2);
		return;
	}
	for (uint32_t page = 0; page < pages; page++)
		if (dice(run, page + pages) % 6 == 0)
			op_advise(run, page, 1, MADV_DONTNEED);
	write_some(run, 0, pages, 6);
	read_some(run, 0, pages, 6);
}

/* The kernel writes, not the process: pages of the file end in others. */
static void round_aio(struct run *run)
{
	uint32_t pages = run->area->pages;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		write_some(run, 0, pages / 2, 1);
		/* One, so that there is a ring before anything is tracked. */
		op_aio(run, pages - 1, 0);
		return;
	}
	for (uint32_t page = 0; page < pages; page++)
		if (dice(run, page + pages) % 8 == 0)
			op_aio(run, page, dice(run, page) % pages);
	write_some(run, 0, pages, 16);
}

const struct kind kinds_shared[] = {
	{ .name = "shared", .backing = SHARED, .pages = 64, .round = round_shared },
	{ .name = "memfd", .backing = MEMFD, .pages = 48, .round = round_file },
	{ .name = "tmpfs", .backing = SHARED_FILE, .pages = 48, .round = round_file },
	{ .name = "filepriv", .backing = PRIVATE_FILE, .pages = 64, .round = round_filepriv },
	{ .name = "aio", .pages = 64, .round = round_aio },
	{ 0 }
};
