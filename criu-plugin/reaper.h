/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_REAPER_H
#define FRAZIL_REAPER_H

#include <stdint.h>

struct injected;

void reaper_start(void);
int reaper_watch(const struct injected *in);
int reaper_watch_child(const struct injected *in, int ns_pid);
int reaper_find(int pid, int ns_pid);
void reaper_reap(int pid, int ns_pid, uint64_t syscall_ip);
void reaper_end(void);

#endif
