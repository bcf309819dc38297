// SPDX-License-Identifier: GPL-2.0-only
/* Files of /proc/PID. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"

/* Opens /proc/PID/NAME. Returns a descriptor or -errno. */
int proc_open(int pid, const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * The last number in the line of /proc/PID/status that begins with @key: of "NSpid:", the
 * pid in the innermost namespace. Returns -1 when there is none.
 */
int proc_status(int pid, const char *key)
{
	char path[32], line[256];
	int number = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		const char *last = strrchr(line, '\t');

		if (!strncmp(line, key, strlen(key)) && last) {
			number = atoi(last);
			break;
		}
	}
	fclose(f);
	return number;
}
