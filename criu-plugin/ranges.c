// SPDX-License-Identifier: GPL-2.0-only
/* What is known of a task's pages, as numbers for a file, and back; and of which pages. */
#include <errno.h>
#include <stdlib.h>

#include "ranges.h"

/* Nothing known means written and used; both files and people are told it that way round. */
static unsigned int state_to_range(unsigned int state)
{
	return (state & PAGE_COLD ? 0 : RANGE_USED) | (state & PAGE_CLEAN ? 0 : RANGE_WRITTEN);
}

static unsigned int range_to_state(unsigned int range)
{
	return (range & RANGE_USED ? 0 : PAGE_COLD) | (range & RANGE_WRITTEN ? 0 : PAGE_CLEAN);
}

/*
 * Codes @set into arrays that are freed with range_code_fini(), also after an error.
 *
 * Returns 0 or -ENOMEM.
 */
int ranges_encode(const struct run_set *set, struct range_code *code)
{
	uint64_t end = 0;
	size_t i;

	*code = (struct range_code){ .nr = set->nr };
	if (!set->nr)
		return 0;
	code->gap = calloc(set->nr, sizeof(*code->gap));
	code->pages = calloc(set->nr, sizeof(*code->pages));
	code->state = calloc(set->nr, sizeof(*code->state));
	if (!code->gap || !code->pages || !code->state)
		return -ENOMEM;
	for (i = 0; i < set->nr; i++) {
		const struct run *r = &set->v[i];

		code->gap[i] = (r->start - end) / PAGE_BYTES;
		code->pages[i] = (r->end - r->start) / PAGE_BYTES;
		code->state[i] = state_to_range(r->state);
		end = r->end;
	}
	return 0;
}

/*
 * Appends what ranges_encode() coded to @set, which is freed with run_set_fini().
 *
 * Returns 0; -EPROTO for numbers that are no addresses; -ENOMEM.
 */
int ranges_decode(const struct range_code *code, struct run_set *set)
{
	uint64_t start, end = 0;
	size_t i;
	int ret = 0;

	for (i = 0; i < code->nr && !ret; i++) {
		if (code->gap[i] > UINT64_MAX / PAGE_BYTES || code->pages[i] > UINT64_MAX / PAGE_BYTES ||
		    __builtin_add_overflow(end, code->gap[i] * PAGE_BYTES, &start) ||
		    __builtin_add_overflow(start, code->pages[i] * PAGE_BYTES, &end))
			return -EPROTO;
		if (code->pages[i])
			ret = run_set_add(set, start, end, range_to_state(code->state[i]));
	}
	return ret == -EINVAL ? -EPROTO : ret;
}

void range_code_fini(struct range_code *code)
{
	free(code->gap);
	free(code->pages);
	free(code->state);
	*code = (struct range_code){};
}

/* The run with @addr, or NULL; *@edge is lowered to where that may change. */
static const struct run *run_at(const struct run_set *set, size_t *cursor, uint64_t addr, uint64_t *edge)
{
	const struct run *r;
	uint64_t next;

	while (*cursor < set->nr && set->v[*cursor].end <= addr)
		++*cursor;
	if (*cursor == set->nr)
		return NULL;
	r = &set->v[*cursor];
	next = r->start > addr ? r->start : r->end;
	*edge = next < *edge ? next : *edge;
	return r->start > addr ? NULL : r;
}

/*
 * Says of all pages that @map has what is known of them: appends runs to @out, whose
 * state is RANGE_*. A page that @known does not mention is used and written; one of
 * @untracked is so because nobody looked.
 *
 * Returns 0 or -ENOMEM.
 */
int ranges_classify(const struct page_map *map, const struct run_set *known, const struct run_set *untracked,
		    struct run_set *out)
{
	size_t i, in_known = 0, in_untracked = 0;

	for (i = 0; i < map->nr; i++) {
		uint64_t pos = map->v[i].start;

		while (pos < map->v[i].end) {
			uint64_t stop = map->v[i].end;
			const struct run *k = run_at(known, &in_known, pos, &stop);
			const struct run *u = run_at(untracked, &in_untracked, pos, &stop);
			unsigned int state = state_to_range(k && !u ? k->state : 0);
			int ret = run_set_add(out, pos, stop, state | (u ? 0 : RANGE_TRACKED));

			if (ret)
				return ret;
			pos = stop;
		}
	}
	return 0;
}

/*
 * The same from the flags of @map alone: pages that may be restored lazily are cold.
 * What was written they do not tell.
 */
int ranges_from_flags(const struct page_map *map, struct run_set *out)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < map->nr && !ret; i++)
		ret = run_set_add(out, map->v[i].start, map->v[i].end, map->v[i].flags & PE_LAZY ? 0 : RANGE_USED);
	return ret;
}

/* Adds up runs whose state is RANGE_*. */
struct range_counts ranges_count(const struct run_set *set)
{
	struct range_counts c = {};
	size_t i;

	for (i = 0; i < set->nr; i++) {
		uint64_t pages = (set->v[i].end - set->v[i].start) / PAGE_BYTES;

		c.pages += pages;
		*(set->v[i].state & RANGE_USED ? &c.hot : &c.cold) += pages;
		if (set->v[i].state & RANGE_WRITTEN)
			c.written += pages;
	}
	return c;
}
