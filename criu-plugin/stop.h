/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_STOP_H
#define FRAZIL_STOP_H

#include <stddef.h>

/* A process whose threads are all stopped under ptrace. All zero is none. */
struct stopped {
	int *tids;
	int *states; /* what compel_stop_task() found */
	size_t nr;
};

/* How long a process may take to stop. criu gives up after as long. */
#define STOP_TIMEOUT_S 10

int stop_process(int pid, unsigned int timeout_s, struct stopped *s);
int resume_process(struct stopped *s);

#endif
