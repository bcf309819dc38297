/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_WORKING_SET_H
#define FRAZIL_WORKING_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan.h"

/* Beside the images, but none of them: criu's tools take *.img for theirs. */
#define WORKING_SET_FILE    "frazil.working-set"
#define WORKING_SET_VERSION 1

/* What one task used. */
struct task_set {
	int pid;
	int ns_pid; /* in the task's own pid namespace */
	uint64_t start_time;
	bool told; /* there was a round before: the sets mean something */
	struct run_set known;
	struct run_set untracked;
};

struct working_set {
	struct task_set *tasks;
	size_t nr;
};

int working_set_read(int dir_fd, struct working_set *ws);
int working_set_write(int dir_fd, const struct working_set *ws);
void working_set_fini(struct working_set *ws);

#endif
