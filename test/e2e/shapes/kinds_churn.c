// SPDX-License-Identifier: GPL-2.0-only
/* The kinds whose mappings or pages come and go between rounds. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "shapes.h"

#define RW	(PROT_READ | PROT_WRITE)
#define BLOCK	8

/* Blocks are unmapped, mapped again and mapped over; some of the new pages written. */
static void round_remap(struct run *run)
{
	uint32_t pages = run->area->pages;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		write_some(run, 0, pages, 1);
		return;
	}
	for (uint32_t at = 0; at < pages; at += BLOCK) {
		bool mapped = run->cells[at].mapped;

		switch (dice(run, at + pages) % 5) {
		case 0:
			op_unmap(run, at, BLOCK);
			break;
		case 1:
			op_unmap(run, at, BLOCK);
			op_map(run, at, BLOCK, RW);
			break;
		case 2:
			op_map(run, at, BLOCK, RW);
			break;
		default:
			if (!mapped)
				op_map(run, at, BLOCK, RW);
		}
	}
	write_some(run, 0, pages, 4);
}

/*
 * One mapping wanders through four places; every third time an empty one stays
 * behind for a round. Another, behind them, grows and shrinks.
 */
static void round_move(struct run *run)
{
	uint32_t places = 4, from = (run->round + places - 1) % places * 2 * BLOCK;
	uint32_t to = run->round % places * 2 * BLOCK, sized = places * 2 * BLOCK;
	uint32_t before = (run->round + places - 2) % places * 2 * BLOCK, size = 0;

	if (!run->round) {
		op_map(run, 0, BLOCK, RW);
		op_map(run, sized, BLOCK, RW);
		write_some(run, 0, sized + BLOCK, 1);
		return;
	}
	if (run->cells[before].mapped)
		op_unmap(run, before, BLOCK);
	op_move(run, from, to, BLOCK, run->round % 3 == 0);
	while (sized + size < run->area->pages && run->cells[sized + size].mapped)
		size++;
	op_resize(run, sized, size, 2 + dice(run, 1) % (2 * BLOCK - 2));
	write_some(run, 0, run->area->pages, 4);
}

/* Pages are given back; some of them are written after that, some before. */
static void discard(struct run *run, int advice)
{
	uint32_t pages = run->area->pages;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		write_some(run, 0, pages, 1);
		return;
	}
	write_some(run, 0, pages / 2, 4);
	for (uint32_t at = 0; at + 3 <= pages; at += 3)
		if (dice(run, at + pages) % 4 == 0)
			op_advise(run, at, 1 + dice(run, at) % 3, advice);
	write_some(run, pages / 2, pages, 4);
}

static void round_dontneed(struct run *run)
{
	discard(run, MADV_DONTNEED);
}

static void round_free(struct run *run)
{
	discard(run, MADV_FREE);
}

/* Pages go to swap, before and after some are written. */
static void round_pageout(struct run *run)
{
	uint32_t pages = run->area->pages, half = pages / 2;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		write_some(run, 0, pages, 1);
		op_advise(run, 0, half, MADV_PAGEOUT);
		return;
	}
	write_some(run, 0, half, 6);
	read_some(run, 0, pages, 6);
	op_advise(run, run->round % 2 ? half / 2 : 0, half, MADV_PAGEOUT);
	write_some(run, half, pages, 6);
	if (run->round % 2 == 0)
		op_advise(run, half, 16, MADV_DONTNEED);
}

/* Protections are changed so that mappings split and merge. */
static void round_split(struct run *run)
{
	uint32_t pages = run->area->pages;

	if (!run->round) {
		op_map(run, 0, pages, RW);
		write_some(run, 0, pages, 2);
		return;
	}
	if (run->round % 3 == 0)
		op_protect(run, 0, pages, RW);
	for (uint32_t i = 0; i < 6; i++) {
		uint64_t d = dice(run, i + pages);

		op_protect(run, d % (pages - BLOCK), 1 + (d >> 32) % BLOCK, i % 2 ? RW : PROT_READ);
	}
	write_some(run, 0, pages, 4);
}

static void round_brk(struct run *run)
{
	uint32_t pages = run->area->pages;

	op_brk(run, run->round ? 2 + dice(run, pages) % (pages - 2) : pages / 2);
	write_some(run, 0, pages, run->round ? 3 : 1);
}

const struct kind kinds_churn[] = {
	{ .name = "remap", .pages = 12 * BLOCK, .round = round_remap },
	{ .name = "move", .pages = 10 * BLOCK, .round = round_move },
	{ .name = "dontneed", .pages = 96, .round = round_dontneed },
	{ .name = "free", .pages = 96, .round = round_free },
	{ .name = "pageout", .pages = 192, .round = round_pageout },
	{ .name = "split", .pages = 64, .round = round_split },
	{ .name = "brk", .backing = HEAP, .pages = 48, .round = round_brk },
	{ 0 }
};
