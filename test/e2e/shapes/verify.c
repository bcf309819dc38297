// SPDX-License-Identifier: GPL-2.0-only
/* Compares memory with the model, and damages it so that this can be tested. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "shapes.h"

/* Counts something wrong with a page, and tells it if it is the first. @a may be NULL. */
void bad(struct verdict *v, const struct area *a, int64_t page, const char *format, ...)
{
	size_t used;
	va_list ap;

	if (v->bad++)
		return;
	used = a ? snprintf(v->text, sizeof(v->text), "process %u area %s page %" PRId64 " ", prog.me,
			    a->kind->name, page) :
		   snprintf(v->text, sizeof(v->text), "process %u ", prog.me);
	va_start(ap, format);
	vsnprintf(v->text + used, sizeof(v->text) - used, format, ap);
	va_end(ap);
}

static const char *protection_text(int protection, char *text)
{
	text[0] = protection & PROT_READ ? 'r' : '-';
	text[1] = protection & PROT_WRITE ? 'w' : '-';
	text[2] = protection & PROT_EXEC ? 'x' : '-';
	text[3] = 0;
	return text;
}

static bool check_mapping(struct verdict *v, struct maps *m, const struct area *a, uint32_t page,
			  const struct cell *c)
{
	const struct mapping *found = maps_find(m, (uintptr_t)cell_at(a, page));
	bool shared = a->kind->backing >= SHARED && a->kind->backing <= SHARED_FILE;
	char text[2][4];

	if (!!found != c->mapped) {
		bad(v, a, page, found ? "is mapped" : "is not mapped");
		return false;
	}
	if (!found)
		return false;
	if (found->protection != c->protection)
		bad(v, a, page, "is %s, not %s", protection_text(found->protection, text[0]),
		    protection_text(c->protection, text[1]));
	if (found->shared != shared)
		bad(v, a, page, found->shared ? "is shared" : "is private");
	return true;
}

/* The content of a page, which may have to be read around its protection. */
static const uint64_t *content(const struct area *a, uint32_t page, const struct cell *c, uint64_t *buffer)
{
	int fd;

	if (c->protection & PROT_READ)
		return (uint64_t *)cell_at(a, page);
	fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (pread(fd, buffer, PAGE_BYTES, (uintptr_t)cell_at(a, page)) != PAGE_BYTES)
		die("area %s page %u: cannot read /proc/self/mem: %s", a->kind->name, page, strerror(errno));
	close(fd);
	return buffer;
}

static void check_content(struct verdict *v, const struct area *a, uint32_t page, const struct cell *c)
{
	static const struct cell zero;
	uint64_t buffer[PAGE_WORDS];
	char found[LINE_BYTES / 4], want[32] = "zero";
	const uint64_t *words;

	/* Reading what is not there would fill the area; see check_gaps(). */
	if (a->kind->stride && c->holds == ZERO)
		return;
	words = content(a, page, c, buffer);
	if (page_holds(words, a, c) || (c->freed && page_holds(words, a, &zero)))
		return;
	if (c->holds == FILE_DATA)
		snprintf(want, sizeof(want), "page %" PRIu32 " of the file", c->origin);
	else if (c->holds != ZERO)
		snprintf(want, sizeof(want), "round %" PRIu32 " by %u", c->holds - ROUND, c->writer);
	name_content(words, a, found, sizeof(found));
	bad(v, a, page, "should hold %s%s and holds %s", want, c->freed ? " or zero" : "", found);
}

/* Nothing may be mapped before and behind the area. */
static void check_bounds(struct verdict *v, struct maps *m, const struct area *a)
{
	uintptr_t start = (uintptr_t)a->base, end = start + a->pages * PAGE_BYTES * (a->kind->stride ? : 1);

	if (a->kind->backing == HEAP || a->kind->backing == STACK)
		return;
	if (maps_find(m, start - PAGE_BYTES))
		bad(v, a, -1, "is mapped");
	if (maps_find(m, end))
		bad(v, a, a->pages, "is mapped");
}

static void check_area(struct verdict *v, struct maps *m, struct area *a)
{
	struct cell *cells = model_make(a, prog.rounds);

	for (uint32_t page = 0; page < a->pages; page++) {
		if (a->kind->backing == STACK && !cells[page].mapped)
			continue;
		if (check_mapping(v, m, a, page, &cells[page]))
			check_content(v, a, page, &cells[page]);
		v->pages += cells[page].mapped;
	}
	check_bounds(v, m, a);
	check_vm_flags(v, a);
	if (a->kind->stride)
		check_gaps(v, a, cells);
	model_free(a, cells);
}

/* Checks all areas of this process; writes nothing to them. */
void verify(struct verdict *v)
{
	struct maps m;

	memset(v, 0, sizeof(*v));
	busy_pause(true);
	maps_read(&m);
	for (unsigned int i = 0; i < prog.area_count; i++)
		if (area_is_here(&prog.areas[i]))
			check_area(v, &m, &prog.areas[i]);
	maps_free(&m);
	busy_pause(false);
}

/* ---- damage ---- */

static void poke(const struct area *a, uint32_t page, const uint64_t *words)
{
	int fd = open("/proc/self/mem", O_WRONLY | O_CLOEXEC);

	if (pwrite(fd, words, PAGE_BYTES, (uintptr_t)cell_at(a, page)) != PAGE_BYTES)
		die("area %s page %u: cannot write /proc/self/mem: %s", a->kind->name, page, strerror(errno));
	close(fd);
}

static void damage(const struct area *a, uint32_t page, const struct cell *c, const char *how)
{
	uint64_t words[PAGE_WORDS] = { 0 };
	struct cell other = *c;

	if (!strcmp(how, "byte")) {
		memcpy(words, content(a, page, c, words), PAGE_BYTES);
		((char *)words)[mix(page) % PAGE_BYTES] ^= 1;
	} else if (!strcmp(how, "stale")) {
		other.holds--;
		fill_page(words, a, &other);
	} else if (!strcmp(how, "mapping")) {
		if (mprotect(cell_at(a, page), PAGE_BYTES, c->protection == PROT_READ ? PROT_NONE : PROT_READ))
			die("mprotect: %s", strerror(errno));
		return;
	} else if (!strcmp(how, "unmapped")) {
		if (munmap(cell_at(a, page), PAGE_BYTES))
			die("munmap: %s", strerror(errno));
		return;
	} else if (strcmp(how, "lost")) {
		die("unknown damage %s", how);
	}
	poke(a, page, words);
}

/*
 * Damages a page that was written; @what is KIND:HOW:PROCESS. Threads stay paused until
 * the next verify(), or they would mend it.
 */
void corrupt(const char *what)
{
	const char *how = strchr(what, ':');
	unsigned int process = 0;
	char name[16] = "";

	if (!how || sscanf(how + 1, "%15[a-z]:%u", name, &process) < 1)
		die("--corrupt %s: not KIND:HOW:PROCESS", what);
	if (process != prog.me)
		return;
	busy_pause(true);
	for (unsigned int i = 0; i < prog.area_count; i++) {
		struct area *a = &prog.areas[i];
		uint32_t page = a->pages;
		struct cell *cells;

		if (strncmp(a->kind->name, what, how - what) || a->kind->name[how - what])
			continue;
		cells = model_make(a, prog.rounds);
		while (page && (!cells[page - 1].mapped || cells[page - 1].holds < ROUND || cells[page - 1].freed))
			page--;
		if (!page)
			die("--corrupt %s: no page was written", what);
		damage(a, page - 1, &cells[page - 1], name);
		model_free(a, cells);
	}
}
