/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_CONFIG_H
#define FRAZIL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_FILE "/etc/criu/frazil.conf"

struct config {
	const char *tracker; /* a name in trackers[], "none", or NULL: the best one that works */
	const char *freeze;  /* a name in freezers[], "none", or NULL: the best one that works */
	bool lazy_parent;    /* cold pages that the parent images have are lazy as well */
};

int config_read(struct config *c, char *error, size_t error_len);

#endif
