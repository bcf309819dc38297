/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_PAGEMAP_H
#define FRAZIL_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "chain.h"

/* A pagemap image of CRIU. All zero is an empty one. */
struct pagemap {
	struct page_map map;
	uint32_t pages_id; /* the pages are in pages-ID.img */
	bool old_magic;	   /* without the magic number common to all images */
};

/* What a pagemap is of, from the name of its file. */
struct pagemap_name {
	bool shmem;
	unsigned long id; /* pid, or the number of the shared memory */
};

bool pagemap_parse_name(const char *name, struct pagemap_name *of);
int pagemap_read(int dir_fd, const char *name, struct pagemap *pm, const char **why);
int pagemap_write(FILE *f, const struct pagemap *pm);
void pagemap_fini(struct pagemap *pm);

#endif
