// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations on the pages of an area: each is done to the model and, in a round
 * that is live, to memory. Those that map are performed by every process that
 * has the area; those that write, by the writer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "shapes.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT	1
#endif

static void failed(const struct run *run, const char *what, uint32_t page)
{
	die("area %s page %u: %s: %s", run->area->kind->name, page, what, strerror(errno));
}

static size_t bytes_of(const struct area *a, uint32_t cells)
{
	return cells * PAGE_BYTES * (a->kind->stride ? : 1);
}

/* The address of a page; @page may be one that is not mapped. */
char *cell_at(const struct area *a, uint32_t page)
{
	if (a->kind->backing == STACK)
		return a->block[page / STACK_BLOCK] + page % STACK_BLOCK * PAGE_BYTES;
	return a->base + bytes_of(a, page);
}

/* A number that looks random, the same whenever this round is played. */
uint64_t dice(const struct run *run, uint64_t what)
{
	return mix(mix(mix(prog.seed) ^ run->area->number << 16 ^ run->owner << 8) ^
		   ((uint64_t)run->round << 32) ^ what);
}

static uint32_t untouched_content(const struct area *a)
{
	return a->kind->backing == PRIVATE_FILE ? FILE_DATA : ZERO;
}

static void forget(const struct area *a, struct cell *c, uint32_t page)
{
	c->holds = untouched_content(a);
	c->origin = page;
	c->writer = 0;
	c->changed = 0;
	c->freed = false;
}

/* Pages that a mapping does not have any more are unmapped in the model. */
static void model_map(struct run *run, uint32_t page, uint32_t count, int protection)
{
	for (uint32_t i = page; i < page + count; i++) {
		struct cell *c = &run->cells[i];

		forget(run->area, c, i);
		c->mapped = true;
		c->protection = protection;
		c->fresh = run->round > 0;
	}
}

/* Maps pages, over what is mapped there. */
void op_map(struct run *run, uint32_t page, uint32_t count, int protection)
{
	const struct area *a = run->area;
	int flags = MAP_FIXED | a->kind->map_flags, fd = -1;
	void *map;

	model_map(run, page, count, protection);
	if (!run->live || a->kind->backing == STACK)
		return;
	switch (a->kind->backing) {
	case SHARED:
		flags |= MAP_SHARED | MAP_ANONYMOUS;
		break;
	case MEMFD:
	case SHARED_FILE:
	case PRIVATE_FILE:
		fd = a->fd >= 0 ? dup(a->fd) : area_open_file(a, O_RDWR);
		flags |= a->kind->backing == PRIVATE_FILE ? MAP_PRIVATE : MAP_SHARED;
		break;
	default:
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	}
	map = mmap(cell_at(a, page), bytes_of(a, count), protection, flags, fd,
		   fd < 0 ? 0 : page * PAGE_BYTES);
	if (map == MAP_FAILED)
		failed(run, "mmap", page);
	if (fd >= 0)
		close(fd);
	/* Where huge pages are the default, one write would dirty 512 pages. */
	if (a->kind->backing == PRIVATE)
		madvise(map, bytes_of(a, count), MADV_NOHUGEPAGE);
}

void op_unmap(struct run *run, uint32_t page, uint32_t count)
{
	memset(&run->cells[page], 0, count * sizeof(struct cell));
	if (run->live && munmap(cell_at(run->area, page), bytes_of(run->area, count)))
		failed(run, "munmap", page);
}

/* All of the pages must be mapped. */
void op_protect(struct run *run, uint32_t page, uint32_t count, int protection)
{
	for (uint32_t i = page; i < page + count; i++)
		run->cells[i].protection = protection;
	if (run->live && mprotect(cell_at(run->area, page), bytes_of(run->area, count), protection))
		failed(run, "mprotect", page);
}

static void write_by_call(struct run *run, uint32_t page, const struct cell *c)
{
	uint64_t words[PAGE_WORDS];
	int fd = run->area->fd >= 0 ? dup(run->area->fd) : area_open_file(run->area, O_WRONLY);

	fill_page(words, run->area, c);
	if (pwrite(fd, words, PAGE_BYTES, page * PAGE_BYTES) != PAGE_BYTES)
		failed(run, "pwrite", page);
	close(fd);
}

/* @writer writes a page through its mapping or, @by_call, through the file. */
void op_write_as(struct run *run, uint32_t page, unsigned int writer, bool by_call)
{
	struct cell *c = &run->cells[page];

	/* What grows down is mapped from here to where it began. */
	for (uint32_t i = page; run->area->kind->grows_down && !run->cells[i].mapped; i++)
		model_map(run, i, 1, PROT_READ | PROT_WRITE);
	*c = (struct cell) {
		.holds = ROUND + run->round, .origin = page, .changed = run->round, .writer = writer,
		.protection = c->protection, .mapped = c->mapped, .fresh = c->fresh,
	};
	if (!run->live || writer != prog.me)
		return;
	if (by_call)
		write_by_call(run, page, c);
	else
		fill_page((uint64_t *)cell_at(run->area, page), run->area, c);
}

/* The page must be writable, or grow down to be so. */
void op_write(struct run *run, uint32_t page)
{
	op_write_as(run, page, run->owner, false);
}

void op_read(struct run *run, uint32_t page)
{
	if (run->live)
		(void)*(volatile char *)cell_at(run->area, page);
}

/* MADV_DONTNEED and MADV_FREE change what pages hold; anything else does not. */
void op_advise(struct run *run, uint32_t page, uint32_t count, int advice)
{
	for (uint32_t i = page; i < page + count; i++) {
		if (advice == MADV_DONTNEED)
			forget(run->area, &run->cells[i], i);
		else if (advice == MADV_FREE)
			run->cells[i].freed = run->cells[i].holds != ZERO;
	}
	if (run->live && madvise(cell_at(run->area, page), bytes_of(run->area, count), advice))
		failed(run, "madvise", page);
}

/* @on_fault: pages are locked when they come to be. */
void op_lock(struct run *run, uint32_t page, uint32_t count, bool on_fault)
{
	if (run->live && syscall(SYS_mlock2, cell_at(run->area, page), bytes_of(run->area, count),
				 on_fault ? MLOCK_ONFAULT : 0))
		failed(run, "mlock2", page);
}

/* Moves a whole mapping; @keep leaves an empty one where it was. */
void op_move(struct run *run, uint32_t from, uint32_t to, uint32_t count, bool keep)
{
	struct area *a = run->area;
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keep ? MREMAP_DONTUNMAP : 0);
	int protection = run->cells[from].protection;
	char *wanted = cell_at(a, to);

	memcpy(&run->cells[to], &run->cells[from], count * sizeof(struct cell));
	for (uint32_t i = to; i < to + count; i++)
		run->cells[i].fresh = true;
	memset(&run->cells[from], 0, count * sizeof(struct cell));
	if (keep)
		model_map(run, from, count, protection);
	if (run->live && mremap(cell_at(a, from), bytes_of(a, count), bytes_of(a, count), flags,
				wanted) != wanted)
		failed(run, "mremap to another place", from);
}

/* Grows or shrinks a whole mapping where it is. */
void op_resize(struct run *run, uint32_t page, uint32_t count, uint32_t new_count)
{
	struct area *a = run->area;
	char *at = cell_at(a, page);

	if (new_count > count)
		model_map(run, page + count, new_count - count, run->cells[page].protection);
	else
		memset(&run->cells[page + new_count], 0, (count - new_count) * sizeof(struct cell));
	if (run->live && mremap(at, bytes_of(a, count), bytes_of(a, new_count), 0) != at)
		failed(run, "mremap to another size", page);
}

/* Makes the heap have @count pages of the area. */
void op_brk(struct run *run, uint32_t count)
{
	struct area *a = run->area;
	uint32_t now = 0;

	while (now < a->pages && run->cells[now].mapped)
		now++;
	if (count > now)
		model_map(run, now, count - now, PROT_READ | PROT_WRITE);
	else
		memset(&run->cells[count], 0, (now - count) * sizeof(struct cell));
	if (run->live && brk(a->base + bytes_of(a, count)))
		failed(run, "brk", count);
}

/* Reads a page of the area's file into memory, by the kernel's AIO. */
void op_aio(struct run *run, uint32_t page, uint32_t file_page)
{
	/* It stays: the ring is dumped with the process. */
	static aio_context_t context;
	struct cell *c = &run->cells[page];
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_nbytes = PAGE_BYTES }, *list = &cb;
	struct io_event event = { 0 };

	c->holds = FILE_DATA;
	c->origin = file_page;
	c->writer = 0;
	c->changed = run->round;
	c->freed = false;
	if (!run->live)
		return;
	if (!context && syscall(SYS_io_setup, 8, &context))
		failed(run, "io_setup", page);
	cb.aio_fildes = area_open_file(run->area, O_RDONLY | O_DIRECT);
	cb.aio_buf = (uintptr_t)cell_at(run->area, page);
	cb.aio_offset = file_page * PAGE_BYTES;
	if (syscall(SYS_io_submit, context, 1, &list) != 1)
		failed(run, "io_submit", page);
	while (syscall(SYS_io_getevents, context, 1, 1, &event, NULL) != 1)
		if (errno != EINTR)
			failed(run, "io_getevents", page);
	if (event.res != PAGE_BYTES) {
		errno = event.res < 0 ? -event.res : EIO;
		failed(run, "AIO read", page);
	}
	close(cb.aio_fildes);
}

/* Writes one in @one_in of the pages from @from to before @to that can be written. */
void write_some(struct run *run, uint32_t from, uint32_t to, uint32_t one_in)
{
	for (uint32_t page = from; page < to; page++) {
		struct cell *c = &run->cells[page];

		if (c->mapped && c->protection & PROT_WRITE && dice(run, page) % one_in == 0)
			op_write(run, page);
	}
}

/* The same for reading; other pages are chosen. */
void read_some(struct run *run, uint32_t from, uint32_t to, uint32_t one_in)
{
	for (uint32_t page = from; page < to; page++) {
		struct cell *c = &run->cells[page];

		if (c->mapped && c->protection & PROT_READ && dice(run, ~page) % one_in == 0)
			op_read(run, page);
	}
}
