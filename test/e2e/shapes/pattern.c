// SPDX-License-Identifier: GPL-2.0-only
/* What is in a page: every word follows from the area and the cell. */
#include <inttypes.h>
#include <stdio.h>
#include "shapes.h"

#define STEP	0x9e3779b97f4a7c15ULL

/* A one-to-one function whose results look random. */
uint64_t mix(uint64_t x)
{
	x += STEP;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* The first word of the page; the others follow from it. */
static uint64_t key_of(const struct area *a, const struct cell *c)
{
	return mix(mix(mix(prog.seed) ^ a->number << 8 ^ c->writer) ^
		   ((uint64_t)c->holds << 32 | c->origin));
}

/* Writes what @c holds to the page @words; it may not be ZERO. */
void fill_page(uint64_t *words, const struct area *a, const struct cell *c)
{
	uint64_t value = key_of(a, c);

	for (size_t i = 0; i < PAGE_WORDS; i++, value += STEP)
		words[i] = value;
}

/* Whether all of the page @words is what @c holds; does not look at c->freed. */
bool page_holds(const uint64_t *words, const struct area *a, const struct cell *c)
{
	uint64_t value = c->holds == ZERO ? 0 : key_of(a, c);
	uint64_t step = c->holds == ZERO ? 0 : STEP;

	for (size_t i = 0; i < PAGE_WORDS; i++, value += step)
		if (words[i] != value)
			return false;
	return true;
}

/* Says in @text what the page @words is, if it is something that @a can hold. */
void name_content(const uint64_t *words, const struct area *a, char *text, size_t size)
{
	struct cell c = { .holds = ZERO };

	if (page_holds(words, a, &c)) {
		snprintf(text, size, "zero");
		return;
	}
	for (c.holds = FILE_DATA; c.holds <= ROUND + prog.rounds; c.holds++)
		for (c.writer = 0; c.writer < MAX_THREADS; c.writer++)
			for (c.origin = 0; c.origin < a->pages; c.origin++)
				if (key_of(a, &c) == words[0]) {
					snprintf(text, size, "%s what %s %" PRId64 " by %u wrote as page %"
						 PRIu32, page_holds(words, a, &c) ? "all" : "partly",
						 c.holds < ROUND ? "file" : "round",
						 (int64_t)c.holds - ROUND, c.writer, c.origin);
					return;
				}
	snprintf(text, size, "0x%016" PRIx64 "... of no known page", words[0]);
}
