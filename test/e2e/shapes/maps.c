// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel says is mapped, and which pages are there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>	/* PAGEMAP_SCAN, where the headers are new enough */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "shapes.h"

#define MAX_MAPPINGS	66000	/* more than the kernel allows */

#ifndef PAGEMAP_SCAN
#define PAGEMAP_SCAN	_IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_PRESENT	(1 << 3)
#define PAGE_IS_SWAPPED	(1 << 4)

struct page_region {
	uint64_t start, end, categories;
};

struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#endif

/* Reads lines without malloc(), whose heap is one of the areas. */
struct lines {
	int fd;
	size_t at, have;
	char buffer[16384];
};

static void lines_open(struct lines *l, const char *path)
{
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	l->at = 0;
	l->have = 0;
	if (l->fd < 0)
		die("cannot open %s: %s", path, strerror(errno));
}

/* The next line, without its end; NULL, and the file is closed, if there is none. */
static char *lines_next(struct lines *l)
{
	for (;;) {
		char *line = l->buffer + l->at, *end = memchr(line, '\n', l->have - l->at);
		ssize_t got;

		if (end) {
			*end = 0;
			l->at = end + 1 - l->buffer;
			return line;
		}
		memmove(l->buffer, line, l->have - l->at);
		l->have -= l->at;
		l->at = 0;
		got = read(l->fd, l->buffer + l->have, sizeof(l->buffer) - l->have);
		if (got <= 0) {
			close(l->fd);
			return NULL;
		}
		l->have += got;
	}
}

static bool parse_mapping(char *line, struct mapping *m)
{
	char *at;

	m->start = strtoul(line, &at, 16);
	if (*at != '-')
		return false;
	m->end = strtoul(at + 1, &at, 16);
	if (*at != ' ')
		return false;
	m->protection = (at[1] == 'r' ? PROT_READ : 0) | (at[2] == 'w' ? PROT_WRITE : 0) |
			(at[3] == 'x' ? PROT_EXEC : 0);
	m->shared = at[4] == 's';
	return true;
}

/* Reads what is mapped in this process; maps_free() it. */
void maps_read(struct maps *m)
{
	struct lines lines;
	char *line;

	m->count = 0;
	m->next = 0;
	m->list = mmap(NULL, MAX_MAPPINGS * sizeof(*m->list), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->list == MAP_FAILED)
		die("no memory for /proc/self/maps: %s", strerror(errno));
	lines_open(&lines, "/proc/self/maps");
	while ((line = lines_next(&lines)))
		m->count += m->count < MAX_MAPPINGS && parse_mapping(line, &m->list[m->count]);
}

void maps_free(struct maps *m)
{
	munmap(m->list, MAX_MAPPINGS * sizeof(*m->list));
}

/* The mapping of an address, or NULL; fast if the addresses asked for ascend. */
const struct mapping *maps_find(struct maps *m, uintptr_t address)
{
	if (m->next < m->count && address < m->list[m->next].start)
		m->next = 0;
	while (m->next < m->count && m->list[m->next].end <= address)
		m->next++;
	if (m->next < m->count && m->list[m->next].start <= address)
		return &m->list[m->next];
	return NULL;
}

/* Each mapping of the area must have the flag of its kind. */
void check_vm_flags(struct verdict *v, const struct area *a)
{
	uintptr_t from = (uintptr_t)a->base, to = from + a->pages * PAGE_BYTES;
	struct mapping m = { 0 };
	struct lines lines;
	char *line;

	if (!a->kind->vm_flag || (a->kind->flag_not_forked && tree_was_forked()))
		return;
	lines_open(&lines, "/proc/self/smaps");
	while ((line = lines_next(&lines))) {
		if (parse_mapping(line, &m) || m.start < from || m.start >= to)
			continue;
		if (strncmp(line, "VmFlags:", 8) || strstr(line, a->kind->vm_flag))
			continue;
		bad(v, a, (m.start - from) / PAGE_BYTES, "no flag '%s' in %s", a->kind->vm_flag, line);
	}
}

static void check_gap_page(struct verdict *v, const struct area *a, const struct cell *cells, uintptr_t at)
{
	static const struct cell zero;
	uint32_t offset = (at - (uintptr_t)a->base) / PAGE_BYTES, stride = a->kind->stride;
	char text[LINE_BYTES / 4];

	if ((offset % stride == 0 && cells[offset / stride].holds != ZERO) ||
	    page_holds((uint64_t *)at, a, &zero))
		return;
	name_content((uint64_t *)at, a, text, sizeof(text));
	bad(v, a, offset / stride, "holds, %" PRIu32 " pages behind it, %s", offset % stride, text);
}

/*
 * The pages between those that cells stand for must be empty. Only those that are
 * there are read: all of them would be too many.
 */
void check_gaps(struct verdict *v, const struct area *a, const struct cell *cells)
{
	struct page_region found[64];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = (uintptr_t)a->base,
		.end = (uintptr_t)a->base + a->pages * PAGE_BYTES * a->kind->stride,
		.vec = (uintptr_t)found,
		.vec_len = sizeof(found) / sizeof(*found),
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	while (arg.start < arg.end) {
		int count = ioctl(fd, PAGEMAP_SCAN, &arg);

		if (count < 0)
			die("PAGEMAP_SCAN: %s", strerror(errno));
		for (int i = 0; i < count; i++)
			for (uintptr_t at = found[i].start; at < found[i].end; at += PAGE_BYTES)
				check_gap_page(v, a, cells, at);
		arg.start = arg.walk_end;
	}
	close(fd);
}
