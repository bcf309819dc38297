/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_LIVE_H
#define FRAZIL_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "criu-plugin.h"
#include "freezer.h"

/* What a live dump needs to know of a task beside what criu tells. */
struct live_task {
	bool armed;	    /* a round of tracking with "deactivate" began in this dump */
	bool cgroup_frozen; /* it was in a frozen cgroup when criu came, and will be again */
	int image_dir;
};

void live_begin(const struct freezer *asked);
int live_clone_begin(const struct cr_plugin_clone_mem *args, const struct live_task *how);
int live_clone(struct cr_plugin_clone_mem *args, const struct live_task *how);
int live_scan(int pid, struct pm_scan_arg *arg);
int live_protect(const struct cr_plugin_protect_mem *args, const struct live_task *how);
int live_read(const struct cr_plugin_read_mem *args);
void live_end(void);

/* The tasks so far, for statistics; NULL after the last one. */
const struct frozen *live_first(void);

uint64_t live_wait_us(const uint64_t *waits, size_t nr, uint64_t max_us, unsigned int percent);

#endif
