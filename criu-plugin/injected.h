/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_INJECTED_H
#define FRAZIL_INJECTED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/user.h>

/*
 * A system call that a stopped task makes, and may go on with when its tracer has died. What is in
 * here is enough to put the task back then.
 */
struct injected {
	int pid;
	uint64_t ip;
	uint64_t code[2]; /* what was there */
	uint64_t sigmask; /* the task's own */
	struct user_regs_struct regs;
	bool told_to_stop; /* SIGSTOP came meanwhile */
};

int injected_prepare(struct injected *in, int pid, uint64_t syscall_ip);
int injected_start(struct injected *in, int nr, unsigned long a, unsigned long b, unsigned long c);
int injected_finish(const struct injected *in, long *result);
int injected_undo(const struct injected *in, long *result);

#endif
