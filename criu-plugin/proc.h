/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_PROC_H
#define FRAZIL_PROC_H

int proc_open(int pid, const char *name, int flags);
/* What /proc/PID/status says, which takes the kernel a while to put together. */
struct proc_status {
	char text[8192];
};

void proc_status_read(int pid, struct proc_status *status);
int proc_status_number(const struct proc_status *status, const char *key);
int proc_status(int pid, const char *key);

#endif
