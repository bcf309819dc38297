// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into criu: when it is about to look for pages of a child of the process TASK, and
 * that one is not stopped any more, the child is killed first, and its memory is gone.
 */
#define _GNU_SOURCE
#include <linux/ioctl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A number in /proc/PID/status, or -1 */
static long status_of(int pid, const char *key)
{
	char path[64], line[256];
	long number = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			number = atol(line + strlen(key));
	if (f)
		fclose(f);
	return number;
}

int ioctl(int fd, unsigned long request, ...)
{
	const char *task = getenv("TASK");
	char link[64], path[64] = "";
	va_list ap;
	void *arg;
	int pid;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (task && _IOC_TYPE(request) == 'f' && _IOC_NR(request) == 16 && /* PAGEMAP_SCAN */
	    readlink(link, path, sizeof(path) - 1) > 0 && sscanf(path, "/proc/%d/pagemap", &pid) == 1 &&
	    status_of(pid, "PPid:") == atol(task) && !status_of(atoi(task), "TracerPid:")) {
		kill(pid, SIGKILL);
		while (status_of(pid, "VmSize:") >= 0)
			usleep(1000);
	}
	return syscall(SYS_ioctl, fd, request, arg);
}
