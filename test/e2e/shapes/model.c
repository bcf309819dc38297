// SPDX-License-Identifier: GPL-2.0-only
/* Plays rounds: into an empty model, and the last one into memory too. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "shapes.h"

/* Whether this process has the area at all. */
bool area_is_here(const struct area *a)
{
	if (a->kind->threaded)
		return !prog.me;
	if (a->kind->backing == SHARED || a->kind->backing == MEMFD)
		return !tree_was_executed();
	return true;
}

static bool is_shared(const struct area *a)
{
	return a->kind->backing == SHARED || a->kind->backing == MEMFD || a->kind->backing == SHARED_FILE;
}

static void play(struct area *a, struct cell *cells, uint32_t round, bool live)
{
	struct run run = {
		.area = a, .cells = cells, .round = round, .live = live,
		/* What is shared has one plan. */
		.owner = is_shared(a) ? 0 : tree_identity(prog.me, round),
	};

	for (uint32_t i = 0; i < a->pages; i++)
		cells[i].fresh = false;
	a->kind->round(&run);
}

static struct cell *model_empty(const struct area *a)
{
	struct cell *cells = mmap(NULL, a->pages * sizeof(*cells), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (cells == MAP_FAILED)
		die("no memory for a model: %s", strerror(errno));
	return cells;
}

/* What area @a is after round @rounds, for this process; model_free() it. */
struct cell *model_make(struct area *a, uint32_t rounds)
{
	struct cell *cells = model_empty(a);

	for (uint32_t round = 0; round <= rounds; round++)
		play(a, cells, round, false);
	if (a->kind->threaded)
		busy_model(a, cells);
	return cells;
}

void model_free(struct area *a, struct cell *cells)
{
	munmap(cells, a->pages * sizeof(*cells));
}

static void count_cell(const struct area *a, const struct cell *c, uint32_t round, struct counts *n)
{
	if (c->holds == ZERO || !c->mapped)
		return;
	if (is_shared(a))
		n->other += !prog.me;
	else if (a->kind->backing == PRIVATE_FILE)
		n->other += c->holds >= ROUND;
	else if (a->kind->inexact || c->fresh || c->freed || tree_is_new(round))
		n->other++;
	else
		n->wrote += c->changed == round;
}

/* Does a round to all areas that are here; says what a dump may find of it. */
struct counts do_round(uint32_t round)
{
	struct counts n = { 0 };

	for (unsigned int i = 0; i < prog.area_count; i++) {
		struct area *a = &prog.areas[i];
		struct cell *cells;

		if (!area_is_here(a))
			continue;
		cells = round ? model_make(a, round - 1) : model_empty(a);
		play(a, cells, round, true);
		for (uint32_t page = 0; page < a->pages; page++)
			count_cell(a, &cells[page], round, &n);
		if (a->kind->threaded)
			n.other += a->pages;
		model_free(a, cells);
	}
	return n;
}
