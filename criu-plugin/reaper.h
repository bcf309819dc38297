/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_REAPER_H
#define FRAZIL_REAPER_H

struct injected;

void reaper_start(void);
int reaper_watch(const struct injected *in);
int reaper_watch_child(const struct injected *in, int ns_pid);
int reaper_find(int pid, int ns_pid);
void reaper_reap(const struct injected *in, int ns_pid);
void reaper_end(void);

#endif
