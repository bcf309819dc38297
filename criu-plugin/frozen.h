/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_FROZEN_H
#define FRAZIL_FROZEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "criu-plugin.h"
#include "keeper.h"
#include "scan.h"

struct clone;
struct freezer;
struct pieces;

/* Waits of 2^(n-1) to 2^n us, 0 for less than 1 us; the last one for all longer ones. */
#define WAIT_BUCKETS 32

struct live_counts {
	uint64_t copied_frozen; /* pages that had to be copied while the task was stopped */
	uint64_t copied_fault;	/* ... because the task wanted to use them, or a neighbour */
	uint64_t copied_behind; /* ... when their turn came */
	uint64_t faults;
	uint64_t wait_max_us;
	uint64_t waits[WAIT_BUCKETS];
};

/* One task, and its memory as it was when it was frozen. */
struct frozen {
	struct frozen *next;
	const struct freezer *freezer;
	struct cr_plugin_protect_mem args;
	uint64_t start_time;
	bool armed;	    /* a round of tracking with "deactivate" began in this dump */
	bool cgroup_frozen; /* it was before the dump, and will be when it is resumed */
	bool asked;	    /* the user wants this freezer and no other */
	bool listed;	    /* it is known which pages are to be saved: args is complete */
	/* Those of args, until then. */
	struct cr_plugin_vma *vmas;
	/* Which of the mappings the freezer took care of. */
	bool *covered;
	/* Pages of these while the task is stopped, and whether they are frozen: scan_seen(). */
	struct run_set seen;
	struct run_set seen_in; /* which mappings that is about */
	struct pieces *look;	/* threads that look for these, until they were waited for */
	bool looked;
	int look_ret;
	/* The freezer's own. */
	int uffd;
	struct clone *clone;
	uint64_t private_pages; /* how many it has of private mappings of files */
	bool cloned;		/* all that criu wants is in the child, even which pages there are */
	bool tracked;		/* the userfaultfd is the keeper's */
	bool served;		/* its faults are */
	bool ended;
	struct keeper_msg kept;

	int origin;  /* /proc/PID/mem of the task */
	int mem;     /* ... of what has the content: the same, or another process */
	int pagemap; /* /proc/PID/pagemap of the latter */
	int save;    /* a file without a name, page n at offset n * PAGE_BYTES */

	uint64_t bytes;	 /* what a copy of all its pages takes, about */
	uint64_t *first; /* of each stretch, the number of its first page */
	uint64_t nr_pages;
	uint64_t next_page; /* those before it have been read by criu */
	/* The last pages that were read, and are still closed but for those in the file. */
	uint64_t behind_page, behind_start, behind_end;
	unsigned char *saved; /* one bit for each page: it is in the file */

	/* Why the memory of that moment cannot be had any more: 0, or -errno; and where. */
	int error;
	uint64_t error_addr;
	struct live_counts counts;
};

#define NO_PAGE UINT64_MAX

int frozen_new(const struct cr_plugin_protect_mem *args, int dir, struct frozen **new);
int frozen_list(struct frozen *f, const struct cr_plugin_protect_mem *args);
void frozen_look_aside(struct frozen *f);
void frozen_look_cancel(struct frozen *f);
int frozen_scan(struct frozen *f, struct pm_scan_arg *arg);
void frozen_free(struct frozen *f);
int frozen_save_rest(struct frozen *f);

uint64_t frozen_first_listed(const struct frozen *f, const struct cr_plugin_vma *vma, size_t *iov);
uint64_t frozen_page(const struct frozen *f, uint64_t addr, uint64_t *start, uint64_t *end);
bool frozen_is_saved(const struct frozen *f, uint64_t page);
int frozen_read(struct frozen *f, uint64_t addr, uint64_t nr, void *buf);
int frozen_check_saved(const struct frozen *f);
int frozen_read_saved(const struct frozen *f, uint64_t page, uint64_t nr, char *buf);
int frozen_save(struct frozen *f, uint64_t page, uint64_t addr, uint64_t nr, void *buf, size_t buf_pages);
void frozen_fail(struct frozen *f, int error, uint64_t addr);

#endif
