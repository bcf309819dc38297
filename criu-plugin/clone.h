/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_CLONE_H
#define FRAZIL_CLONE_H

#include <stdbool.h>
#include <stdint.h>

#include "injected.h"

/* A task's child that has its memory. */
struct clone {
	struct clone *next;
	struct injected in;  /* in the task */
	uint64_t bytes;	     /* what a copy of all its pages takes, about */
	bool seccomp;	     /* the task has some */
	bool locked;	     /* ... has locked memory, or that is not known */
	bool same_namespace; /* its pids are this process' as well */
	bool begun;	     /* the task is about to make it */
	bool ready;	     /* the child is as it has to be, and stands still */
	int child;
	int ns_pid;  /* ... as it is in its namespace */
	int mem;     /* /proc/PID/mem */
	int pagemap; /* /proc/PID/pagemap */
};

/* What is to be known of a task for that. */
struct clone_wish {
	int pid;
	uint64_t syscall_ip;
	uint64_t bytes;	    /* that may have to be copied; 0: all its private memory */
	bool cgroup_frozen; /* it was in a frozen cgroup, and will be again */
	bool asked;	    /* the user wants it this way and no other */
};

int clone_begin(const struct clone_wish *wish, struct clone **new);
int clone_finish(struct clone *c);
int clone_ready(struct clone *c);
void clone_free(struct clone *c);

#endif
