// SPDX-License-Identifier: GPL-2.0-only
/* Files of /proc/PID. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Returns 0, or -ESRCH. */
int proc_stat_read(int pid, struct proc_stat *stat)
{
	int fd = proc_open(pid, "stat", O_RDONLY);
	ssize_t len = fd < 0 ? -1 : read(fd, stat->text, sizeof(stat->text) - 1);

	if (fd >= 0)
		close(fd);
	stat->text[len > 0 ? len : 0] = '\0';
	/* The name, in parentheses, may contain anything. */
	stat->fields = strrchr(stat->text, ')');
	return stat->fields ? 0 : -ESRCH;
}

char proc_stat_state(const struct proc_stat *stat)
{
	return stat->fields[strlen(") ")];
}

/* The field of that number, see proc(5), of those behind the state; or -1. */
long long proc_stat_number(const struct proc_stat *stat, int field)
{
	const char *p = stat->fields;
	long long value;
	int i;

	for (i = 2; p && i < field; i++)
		p = strchr(p + 1, ' ');
	return p && sscanf(p, " %lld", &value) == 1 ? value : -1;
}

/* Reads /proc/PID/status; of a task that is gone it is empty. */
void proc_status_read(int pid, struct proc_status *status)
{
	int fd = proc_open(pid, "status", O_RDONLY);
	ssize_t len = 0, got = fd < 0 ? 0 : 1;

	while (got > 0) {
		got = read(fd, status->text + len, sizeof(status->text) - 1 - len);
		len += got > 0 ? got : 0;
	}
	status->text[len] = '\0';
	if (fd >= 0)
		close(fd);
}

/*
 * The last number in the line that begins with @key: of "NSpid:", the pid in the innermost
 * namespace. Returns -1 when there is none.
 */
int proc_status_number(const struct proc_status *status, const char *key)
{
	const char *line = status->text, *p;
	size_t len = strlen(key);

	while (strncmp(line, key, len)) {
		line = strchr(line, '\n');
		if (!line)
			return -1;
		line++;
	}
	for (p = line + strcspn(line, "\n"); p > line && *p != '\t'; p--)
		;
	return p > line ? atoi(p) : -1;
}

/* The same, when it is one number only. */
int proc_status(int pid, const char *key)
{
	struct proc_status status;

	proc_status_read(pid, &status);
	return proc_status_number(&status, key);
}

/* Sets @dir to the directory of a task's cgroup (v2), where it is mounted mostly; or to "". */
void proc_cgroup(int pid, char *dir, size_t size)
{
	char line[4096];
	FILE *f;

	dir[0] = '\0';
	snprintf(line, sizeof(line), "/proc/%d/cgroup", pid);
	f = fopen(line, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::", 3))
			snprintf(dir, size, "/sys/fs/cgroup%s", line + 3);
	}
	fclose(f);
}
