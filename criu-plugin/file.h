/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_FILE_H
#define FRAZIL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int file_read(int dir_fd, const char *path, size_t max_bytes, uint8_t **buf, size_t *len);
int file_replace(int dir_fd, const char *name, const uint8_t *buf, size_t len, bool sync);

#endif
