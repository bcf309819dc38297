/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directories of images on top of each other, read. Functions return 0, or -1 when they
 * have printed what is wrong.
 */
#ifndef FRAZIL_IMAGES_H
#define FRAZIL_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "chain.h"
#include "pagemap.h"

#define PARENT_LINK    "parent" /* CR_PARENT_LINK */
#define INVENTORY_FILE "inventory.img"
#define PSTREE_FILE    "pstree.img"

#define PAGES_NAME_BYTES 32

/* One directory. */
struct level {
	int fd;
	char *path;
	dev_t dev;
	ino_t ino;
	uint64_t pages; /* that were taken from it */
};

/* All of them; 0 is the one that was named, the next its parent. All zero is none. */
struct images {
	struct level *levels;
	size_t nr;
};

/* One pagemap, at the levels that are needed, and the pages files of it. */
struct chain {
	struct pagemap *pm;
	size_t nr;
	int *fds; /* pages files that are open; -1: none of its pages are needed */
	bool *sparse;
	struct piece_list pieces;
};

int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int images_open(struct images *im, const char *dir);
void images_fini(struct images *im);

int chain_load(const struct images *im, const char *name, struct chain *c);
int chain_open_pages(const struct images *im, struct chain *c);
void chain_fini(struct chain *c);

void pages_name(char *name, uint32_t pages_id);

#endif
