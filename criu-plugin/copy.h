/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_COPY_H
#define FRAZIL_COPY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

bool file_is_sparse(const struct stat *st);
int copy_data(int in, uint64_t in_off, int out, uint64_t out_off, uint64_t len, bool sparse,
	      const volatile sig_atomic_t *stop);

#endif
