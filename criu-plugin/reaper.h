/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_REAPER_H
#define FRAZIL_REAPER_H

#include <stdint.h>

void reaper_start(void);
int reaper_watch(int pid, uint64_t syscall_ip);
int reaper_watch_child(int pid, int ns_pid, uint64_t syscall_ip);
int reaper_find(int pid, int ns_pid);
void reaper_reap(int pid, int ns_pid, uint64_t syscall_ip);
void reaper_end(void);

#endif
