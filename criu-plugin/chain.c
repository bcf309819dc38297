// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * Images on top of others are a chain: level 0 is the directory itself, level 1 its
 * parent, and so on. Each has a pagemap of its own for a task. A page is looked for
 * from the top: an entry with PE_PARENT sends on to the next level, one with
 * PE_PRESENT has it.
 *
 *	level 0:	  PPPPPPPP....++++	P parent, + present, . not mapped
 *	level 1:	  ++PPPP++----		- present, not used by level 0
 *	level 2:	----++++
 *	pieces:		  11222211....0000
 *
 * A level that does not mention the page ends the search, with an error, even if an
 * older level has it: the page was not there when that level was made, so the older
 * content is not what it is now. Stock CRIU does the same.
 *
 * Addresses are walked upwards once, with one cursor for each level.
 */
#include <errno.h>
#include <stdlib.h>

#include "chain.h"

/* For an array of @size bytes each: returns room for one more than @nr, or NULL. */
static void *grow(void *v, size_t nr, size_t *cap, size_t size)
{
	size_t more = *cap ? 2 * *cap : 64;

	if (nr < *cap)
		return v;
	v = reallocarray(v, more, size);
	if (v)
		*cap = more;
	return v;
}

/*
 * Appends an entry as it stands in an image. Entries come in address order, and their
 * pages follow each other in the pages file. One of no pages is left out.
 *
 * Returns 0; -EINVAL for an address that is not one; -EEXIST for an entry that is not
 * behind the last one; -EBADMSG for flags that say neither, or both, where the pages
 * are; -ENOMEM. @map is unchanged after an error.
 */
int page_map_add(struct page_map *map, uint64_t start, uint64_t pages, unsigned int flags)
{
	struct map_entry *v;
	uint64_t end;

	if (start % PAGE_BYTES || pages > UINT64_MAX / PAGE_BYTES ||
	    __builtin_add_overflow(start, pages * PAGE_BYTES, &end))
		return -EINVAL;
	if (map->nr && start < map->v[map->nr - 1].end)
		return -EEXIST;
	if ((flags & PE_PARENT && flags & PE_PRESENT) || !(flags & (PE_PARENT | PE_PRESENT | PE_LAZY)))
		return -EBADMSG;
	if (!pages)
		return 0;

	v = grow(map->v, map->nr, &map->cap, sizeof(*v));
	if (!v)
		return -ENOMEM;
	map->v = v;
	v[map->nr++] = (struct map_entry){ start, end, map->file_bytes, flags };
	if (flags & PE_PRESENT)
		map->file_bytes += end - start;
	if (flags & PE_PARENT)
		map->has_parent = true;
	return 0;
}

/*
 * Appends pages that are to be written: they become part of the last entry where they
 * continue it, and no entry gets longer than ENTRY_MAX_BYTES.
 *
 * Returns 0 or as page_map_add() does.
 */
int page_map_append(struct page_map *map, uint64_t start, uint64_t end, unsigned int flags)
{
	struct map_entry *last = map->nr ? &map->v[map->nr - 1] : NULL;
	int ret = 0;

	if (last && last->end == start && last->flags == flags) {
		uint64_t room = ENTRY_MAX_BYTES - (last->end - last->start);
		uint64_t more = end - start < room ? end - start : room;

		last->end += more;
		start += more;
		if (flags & PE_PRESENT)
			map->file_bytes += more;
	}
	while (start < end && !ret) {
		uint64_t len = end - start < ENTRY_MAX_BYTES ? end - start : ENTRY_MAX_BYTES;

		ret = page_map_add(map, start, len / PAGE_BYTES, flags);
		start += len;
	}
	return ret;
}

void page_map_fini(struct page_map *map)
{
	free(map->v);
	*map = (struct page_map){};
}

/* Appends a piece, or extends the last one if it goes on in both address and file. */
static int piece_add(struct piece_list *list, const struct piece *p)
{
	struct piece *last = list->nr ? &list->v[list->nr - 1] : NULL, *v;

	if (last && last->end == p->start && last->flags == p->flags && last->level == p->level &&
	    last->offset + (last->end - last->start) == p->offset) {
		last->end = p->end;
		return 0;
	}
	v = grow(list->v, list->nr, &list->cap, sizeof(*v));
	if (!v)
		return -ENOMEM;
	list->v = v;
	v[list->nr++] = *p;
	return 0;
}

/* The entry with @addr, or NULL. @cursor: where the last one was; addresses only grow. */
static const struct map_entry *seek(const struct page_map *map, size_t *cursor, uint64_t addr)
{
	while (*cursor < map->nr && map->v[*cursor].end <= addr)
		++*cursor;
	if (*cursor == map->nr || map->v[*cursor].start > addr)
		return NULL;
	return &map->v[*cursor];
}

/* Finds the page at p->start, and as many behind it, up to p->end, as are there as well. */
static int resolve_one(const struct page_map *levels, size_t nr_levels, size_t *cursors, struct piece *p,
		       struct chain_fault *fault)
{
	size_t i;

	for (i = 0; i < nr_levels; i++) {
		const struct map_entry *e = seek(&levels[i], &cursors[i], p->start);

		if (!e)
			break;
		p->end = e->end < p->end ? e->end : p->end;
		if (e->flags & PE_PARENT)
			continue;
		p->level = i;
		p->offset = e->offset + (p->start - e->start);
		*fault = (struct chain_fault){ p->start, i };
		return e->flags & PE_PRESENT ? 0 : -ENODATA;
	}
	*fault = (struct chain_fault){ p->start, i };
	return -ENOENT;
}

/*
 * Finds all pages of levels[0] in the chain, and appends them to @out in address order,
 * with PE_PRESENT, and with PE_LAZY where levels[0] has it.
 *
 * Returns 0; -ENOENT when a page is not there: fault->level is the level that does not
 * mention it, or @nr_levels when the last one sends on to a parent; -ENODATA when it was
 * left to a page server by fault->level; -ENOMEM.
 */
int chain_resolve(const struct page_map *levels, size_t nr_levels, struct piece_list *out, struct chain_fault *fault)
{
	size_t *cursors = calloc(nr_levels, sizeof(*cursors)), i;
	int ret = 0;

	if (!cursors)
		return -ENOMEM;
	for (i = 0; i < levels[0].nr && !ret; i++) {
		const struct map_entry *top = &levels[0].v[i];
		struct piece p = { .start = top->start, .flags = PE_PRESENT | (top->flags & PE_LAZY) };

		while (p.start < top->end && !ret) {
			p.end = top->end;
			ret = resolve_one(levels, nr_levels, cursors, &p, fault);
			if (!ret)
				ret = piece_add(out, &p);
			p.start = p.end;
		}
	}
	free(cursors);
	return ret;
}

/*
 * The pagemap that describes the pages of @pieces, written one behind the other.
 *
 * Returns 0 or -ENOMEM.
 */
int chain_entries(const struct piece_list *pieces, struct page_map *map)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < pieces->nr && !ret; i++)
		ret = page_map_append(map, pieces->v[i].start, pieces->v[i].end, pieces->v[i].flags);
	return ret;
}

void piece_list_fini(struct piece_list *list)
{
	free(list->v);
	*list = (struct piece_list){};
}
