/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_TRACKER_H
#define FRAZIL_TRACKER_H

#include <stddef.h>
#include <stdint.h>

/*
 * A way to have the kernel note which pages of another task are written and
 * used. All of them are a userfaultfd that lives in the task's mm; they differ
 * in what they ask of it.
 */
struct tracker {
	const char *name;
	uint64_t features;	/* for UFFDIO_API */
	uint64_t register_mode; /* for UFFDIO_REGISTER */

	/*
	 * Begins a round of "used" over [start, end), all of it registered.
	 * NULL where the kernel cannot tell. Returns 0 or -errno.
	 */
	int (*deactivate)(int uffd, uint64_t start, uint64_t end);
};

/* Why a tracker cannot be used, or a note that goes with its being usable. */
struct tracker_verdict {
	char reason[160];
};

extern const struct tracker *const trackers[];

int tracker_probe(const struct tracker *t, struct tracker_verdict *verdict);
const struct tracker *tracker_select(struct tracker_verdict *verdict);
int tracker_open(const struct tracker *t, int uffd);
int tracker_register(const struct tracker *t, int uffd, uint64_t start, uint64_t end);

#endif
