/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_TASK_H
#define FRAZIL_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "criu-plugin.h"
#include "keeper.h"
#include "rounds.h"
#include "scan.h"
#include "tracker.h"

/* One task in one run of criu. */
struct task {
	int pid;
	uint64_t start_time;
	/* "known" is relative to the parent images. */
	bool has_parent;
	/* ... and says which pages are not in use. */
	bool tells_used;
	/* criu's own tracking may not be believed, which goes by soft-dirty bits. */
	bool soft_dirty_lost;
	bool left_to_criu; /* ... but from these images on */
	struct run_set known;
	struct run_set untracked; /* mappings that were not asked about; state 0 */
	/* Which pages there are in mappings that were scanned. The task has not run since. */
	struct run_set covered;
	struct run_set seen;
	struct page_counts counts;
	uint32_t vmas_tracked;
	uint32_t vmas_untracked;
	/* The round that began in this run, if any. */
	bool armed;
	bool protected; /* it will tell which pages are used */
	uint8_t round[16];
};

bool has_aio(const struct cr_plugin_vma *vmas, size_t nr);
bool vma_is_hugetlb(const struct cr_plugin_vma *vma);
const char *vma_refusal(const struct cr_plugin_vma *vma);
int task_track(struct task *t, const struct tracker *tracker, const FrazilRounds *parent,
	       const struct cr_plugin_track_mem *args);
void task_fini(struct task *t);
void task_start_keeper(void);

int task_take_tracking(int pid, uint64_t start_time, struct keeper_msg *kept);
int task_keep_tracking(const struct keeper_msg *kept, int uffd);
int task_forget_tracking(int pid, uint64_t start_time, bool force);

#endif
