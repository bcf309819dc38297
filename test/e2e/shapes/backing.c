// SPDX-License-Identifier: GPL-2.0-only
/* Where areas are, and the files behind some. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "shapes.h"

/* The file of an area, in the directory of --dir; the caller closes it. */
int area_open_file(const struct area *a, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/shapes.%s", prog.dir, a->kind->name);
	fd = open(path, flags | O_CLOEXEC, 0666);
	if (fd < 0)
		die("area %s: cannot open %s: %s", a->kind->name, path, strerror(errno));
	return fd;
}

static void fill_file(const struct area *a)
{
	int fd = area_open_file(a, O_RDWR | O_CREAT | O_TRUNC);

	for (uint32_t page = 0; page < a->pages; page++) {
		struct cell c = { .holds = FILE_DATA, .origin = page };
		uint64_t words[PAGE_WORDS] = { 0 };

		/* What is private begins as the file, what is shared as zero. */
		if (a->kind->backing != SHARED_FILE)
			fill_page(words, a, &c);
		if (write(fd, words, PAGE_BYTES) != PAGE_BYTES)
			die("area %s: cannot fill its file: %s", a->kind->name, strerror(errno));
	}
	if (fsync(fd))
		die("area %s: fsync of its file: %s", a->kind->name, strerror(errno));
	close(fd);
}

static bool reads_file(const struct area *a)
{
	return a->kind->backing == SHARED_FILE || a->kind->backing == PRIVATE_FILE ||
	       !strcmp(a->kind->name, "aio");
}

/*
 * Decides where the area is; maps nothing, that is what its round 0 does. @first:
 * this process is the first of the tree, and makes the file.
 */
void area_place(struct area *a, bool first)
{
	a->fd = -1;
	a->base = (char *)WINDOW_START + a->number * WINDOW_BYTES;
	switch (a->kind->backing) {
	case HEAP:
		a->base = (char *)(((uintptr_t)sbrk(0) + PAGE_BYTES - 1) & -PAGE_BYTES);
		break;
	case MEMFD:
		if (!first)
			break;
		a->fd = memfd_create("shapes", MFD_CLOEXEC);
		if (a->fd < 0 || ftruncate(a->fd, a->pages * PAGE_BYTES))
			die("area %s: memfd: %s", a->kind->name, strerror(errno));
		break;
	default:
		if (first && reads_file(a))
			fill_file(a);
	}
}
