/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_FREEZER_H
#define FRAZIL_FREEZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "criu-plugin.h"
#include "frozen.h"
#include "scan.h"
#include "tracker.h"

/*
 * A way to keep what the memory of a task contains while it runs on. The functions
 * return 0 or -errno.
 */
struct freezer {
	const char *name;
	int (*probe)(struct tracker_verdict *v);
	/* What it takes beforehand, while tasks still run. May be NULL. */
	void (*prepare)(void);
	/* Why this mapping is not frozen: its pages are copied at once. NULL if it is. */
	const char *(*refusal)(const struct cr_plugin_vma *vma);
	/* Begins with freeze(). Until that, or end(), nobody needs the task to be stopped. May be NULL. */
	int (*begin)(struct frozen *f);
	/*
	 * Freezes what is not refused of a stopped task, as far as it can, and says what in
	 * covered; of f->listed pages, or of all that there are. In the latter case, and if f->cloned
	 * is set then, f->clone has all that is to be known of them. On error nothing is left of it.
	 */
	int (*freeze)(struct frozen *f);
	/* What freeze() leaves to be done unless f->tracked: pieces of covered mappings, by threads. May be NULL. */
	int (*close)(const struct frozen *f, uint64_t start, uint64_t end);
	/* What a page of a covered mapping looks like that is still frozen. */
	struct scan_filter frozen;
	/* The same when it was frozen just now, unless all zero; to look for that marks pages as frozen asks for. */
	struct scan_filter closed;
	/* ... and has to be looked at when it was read. */
	bool may_tear;
	/* If one page of a covered mapping is frozen, all are. */
	bool whole;
	/* Lets the task use pages again, which were saved or read. NULL where it may anyway. */
	void (*open)(struct frozen *f, uint64_t start, uint64_t end);
	/* When it is known what has to be saved: has faults served from here on. May be NULL. */
	int (*serve)(struct frozen *f);
	/* Keeps others from serving faults meanwhile. May be NULL. */
	void (*lock)(void);
	void (*unlock)(void);
	/* Before the first page is read. Returns 0 or -errno. May be NULL. */
	int (*ready)(struct frozen *f);
	/* When all was read: whether that was what it had been. Returns 0, -ESTALE, -errno. May be NULL. */
	int (*verify)(const struct frozen *f);
	/* Gives everything back. The task may be stopped or run. */
	void (*end)(struct frozen *f);
};

extern const struct freezer freezer_deactivate, freezer_fork, freezer_wp;
/* In the order in which they are tried; see live.c. */
extern const struct freezer *const freezers[];

const struct freezer *freezer_find(const char *name);

#endif
