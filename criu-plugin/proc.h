/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_PROC_H
#define FRAZIL_PROC_H

int proc_open(int pid, const char *name, int flags);
int proc_status(int pid, const char *key);

#endif
