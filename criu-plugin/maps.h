/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_MAPS_H
#define FRAZIL_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "criu-plugin.h"

struct maps {
	struct cr_plugin_vma *vmas;
	size_t nr;
	uint64_t exec_start; /* of an executable mapping, 0: there is none */
};

int maps_read(int pid, struct maps *maps);
void maps_fini(struct maps *maps);

#endif
