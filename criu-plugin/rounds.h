/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_ROUNDS_H
#define FRAZIL_ROUNDS_H

#include "rounds.pb-c.h"

/* Beside the images, but none of them: criu's tools take *.img for theirs. */
#define ROUNDS_FILE    "frazil.rounds"
#define ROUNDS_VERSION 1

int rounds_read(int dir_fd, const char *path, FrazilRounds **rounds);
int rounds_write(int dir_fd, FrazilTask **tasks, size_t nr, FrazilLive **lives, size_t nr_lives);
const FrazilTask *rounds_find(const FrazilRounds *rounds, int pid, uint64_t start_time);

#endif
