// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into criu, a disk that goes bad: after EIO_AFTER writes to files with EIO_NAME
 * in their path all others to such files fail, and the file EIO_HIT is made. With EIO_LATE writes
 * succeed, and fail on their way to the disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool fails(int fd)
{
	static atomic_long seen;
	const char *name = getenv("EIO_NAME"), *after = getenv("EIO_AFTER"), *hit = getenv("EIO_HIT");
	char link[64], path[4096];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (!name || !after || !hit || len < 0)
		return false;
	path[len] = 0;
	if (!strstr(path, name) || atomic_fetch_add(&seen, 1) < atol(after))
		return false;
	close(open(hit, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	errno = EIO;
	return true;
}

ssize_t write(int fd, const void *buf, size_t len)
{
	return !getenv("EIO_LATE") && fails(fd) ? -1 : syscall(SYS_write, fd, buf, len);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t at)
{
	return !getenv("EIO_LATE") && fails(fd) ? -1 : syscall(SYS_pwrite64, fd, buf, len, at);
}

int sync_file_range(int fd, off64_t at, off64_t len, unsigned int flags)
{
	return getenv("EIO_LATE") && fails(fd) ? -1 : syscall(SYS_sync_file_range, fd, at, len, flags);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	return pwrite64(fd, buf, len, at);
}
