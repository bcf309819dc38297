/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_PROC_H
#define FRAZIL_PROC_H

#include <stddef.h>

int proc_open(int pid, const char *name, int flags);
/* What /proc/PID/status says, which takes the kernel a while to put together. */
struct proc_status {
	char text[8192];
};

/* What /proc/PID/stat says, of all threads together. */
struct proc_stat {
	char text[1024];
	const char *fields; /* behind the name */
};

int proc_stat_read(int pid, struct proc_stat *stat);
char proc_stat_state(const struct proc_stat *stat);
long long proc_stat_number(const struct proc_stat *stat, int field);
void proc_status_read(int pid, struct proc_status *status);
int proc_status_number(const struct proc_status *status, const char *key);
int proc_status(int pid, const char *key);
void proc_cgroup(int pid, char *dir, size_t size);

#endif
