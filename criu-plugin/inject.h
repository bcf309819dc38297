/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_INJECT_H
#define FRAZIL_INJECT_H

#include <stdint.h>

int inject_userfaultfd(int pid, uint64_t syscall_ip);
int inject_syscall(int pid, uint64_t syscall_ip, int nr, long *result, unsigned long a, unsigned long b,
		   unsigned long c);

#endif
