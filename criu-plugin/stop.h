/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_STOP_H
#define FRAZIL_STOP_H

#include <stdbool.h>
#include <stddef.h>

/* A process whose threads are all stopped under ptrace. All zero is none. */
struct stopped {
	int *tids;
	int *states; /* what compel_stop_task() found */
	size_t nr;
};

bool has_ended(int tid);
int stop_main(int pid, struct stopped *s);
int stop_process(int pid, struct stopped *s);
void abort_rseq(int pid);
int resume_process(struct stopped *s);

#endif
