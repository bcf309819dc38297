/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_CHAIN_H
#define FRAZIL_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "page.h"

/* Flags of a pagemap entry, as in criu/include/pagemap.h. */
#define PE_PARENT  (1u << 0) /* the pages are in the parent images */
#define PE_LAZY	   (1u << 1) /* the pages may be restored lazily */
#define PE_PRESENT (1u << 2) /* the pages are in this pages file */

/*
 * The longest entry that is written, in bytes: criu lazy-pages 4.1.1 has the length
 * of an entry in an int, and cannot serve one of 2 GiB.
 */
#define ENTRY_MAX_BYTES (1ull << 30)

struct map_entry {
	uint64_t start;
	uint64_t end;	 /* exclusive, in bytes */
	uint64_t offset; /* of the first page in the pages file, if PE_PRESENT */
	unsigned int flags;
};

/* One pagemap: entries in address order that do not overlap. All zero is an empty one. */
struct page_map {
	struct map_entry *v;
	size_t nr;
	size_t cap;
	uint64_t file_bytes; /* how much of the pages file is described */
	bool has_parent;     /* some entry is PE_PARENT */
};

/* Pages, and where they are: at @offset in the pages file of the level @level. */
struct piece {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	unsigned int flags; /* of the entry they become */
	unsigned int level;
};

struct piece_list {
	struct piece *v;
	size_t nr;
	size_t cap;
};

/* The page that could not be resolved, and the level at which the search ended. */
struct chain_fault {
	uint64_t addr;
	size_t level;
};

int page_map_add(struct page_map *map, uint64_t start, uint64_t pages, unsigned int flags);
int page_map_append(struct page_map *map, uint64_t start, uint64_t end, unsigned int flags);
void page_map_fini(struct page_map *map);

int chain_resolve(const struct page_map *levels, size_t nr_levels, struct piece_list *out, struct chain_fault *fault);
int chain_entries(const struct piece_list *pieces, struct page_map *map);
void piece_list_fini(struct piece_list *list);

#endif
