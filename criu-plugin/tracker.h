/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_TRACKER_H
#define FRAZIL_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan.h"

/*
 * A way to have the kernel note which pages of another task are written and used.
 * All of them are a userfaultfd that lives in the task's mm; they differ in what they
 * ask of it. The functions return 0 or -errno.
 *
 * A round of a stopped task is: register and scan each mapping, which ends the last
 * one; then, if the task runs on, reset and protect, which begins the next.
 */
struct tracker {
	const char *name;
	const char *tells;	/* for people: what is known of each page */
	uint64_t features;	/* for UFFDIO_API */
	uint64_t register_mode; /* for UFFDIO_REGISTER */
	/* Whether "not used" is known. Otherwise nothing is said about it. */
	bool tells_used;
	/* Whether criu uses a page, in the kernel's eyes, when it reads it to dump it. */
	bool reads_are_use;
	/* Whether it is not noticed, nor can be told, which pages a device writes to. */
	bool misses_dma;

	/* Whether the mapping is registered. 1: yes; 0: no; -1: it has no page to ask about. */
	int (*is_tracked)(int pagemap_fd, uint64_t start, uint64_t end);
	/*
	 * Whether @uffd is of the mm that the mapping is in: protects a page, looks, and
	 * takes it back. 1: yes; 0: no; -1: there is no page to try it with.
	 */
	int (*is_of)(int uffd, int pagemap_fd, uint64_t start, uint64_t end);
	/* What is known of [start, end). With @arm, what was written is reset as well. */
	int (*scan)(int pagemap_fd, uint64_t start, uint64_t end, bool arm, struct findings *f);
	/* Resets "written" of the whole task, where the scan does not. May be NULL. */
	int (*reset)(int pid);
	/* Begins a round of "used" over [start, end), all of it registered. May be NULL. */
	int (*protect)(int uffd, uint64_t start, uint64_t end);
	/* After that: pages count as written that a device may write to, as they were pinned for DMA. May be NULL. */
	int (*unmark_pinned)(int uffd, int pagemap_fd, uint64_t start, uint64_t end);
};

/* Why a tracker cannot be used. */
struct tracker_verdict {
	char reason[400];
};

extern const struct tracker *const trackers[];

int tracker_probe(const struct tracker *t, struct tracker_verdict *verdict);
const struct tracker *tracker_find(const char *name);
const struct tracker *tracker_select(const char *name, struct tracker_verdict *verdict);
int tracker_open(const struct tracker *t, int uffd);
int tracker_reset_soft_dirty(int pid);
void tracker_unregister(int uffd, uint64_t start, uint64_t end);
int tracker_writeprotect(int uffd, uint64_t start, uint64_t end, bool on);
int tracker_register(const struct tracker *t, int uffd, uint64_t start, uint64_t end);

#endif
