// SPDX-License-Identifier: GPL-2.0-only
/* Small files beside the images: read as a whole, and replaced as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

static int read_all(int fd, uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t got = read(fd, buf, len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EPROTO;
		buf += got;
		len -= got;
	}
	return 0;
}

static int write_all(int fd, const uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t put = write(fd, buf, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put ? -errno : -EIO;
		buf += put;
		len -= put;
	}
	return 0;
}

/*
 * Reads the file @path, relative to @dir_fd, into *@buf, which is the caller's to
 * free, and its length in bytes into *@len.
 *
 * Returns 0; -ENOENT when there is none; -EPROTO when it is empty or has more than
 * @max_bytes; another -errno. *@buf is NULL after an error.
 */
int file_read(int dir_fd, const char *path, size_t max_bytes, uint8_t **buf, size_t *len)
{
	struct stat st;
	int fd, ret;

	*buf = NULL;
	fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fstat(fd, &st) ? -errno : 0;
	if (!ret && (st.st_size <= 0 || (uint64_t)st.st_size > max_bytes))
		ret = -EPROTO;
	if (!ret) {
		*buf = malloc(st.st_size);
		ret = *buf ? read_all(fd, *buf, st.st_size) : -ENOMEM;
	}
	close(fd);
	if (ret) {
		free(*buf);
		*buf = NULL;
		return ret;
	}
	*len = st.st_size;
	return 0;
}

/*
 * Writes the file @name of the directory @dir_fd in place of an older one: whole, or
 * not at all. With @sync it is on disk as well; without, a crash of the machine may
 * leave a damaged one.
 *
 * Returns 0 or -errno; then the older file is as it was.
 */
int file_replace(int dir_fd, const char *name, const uint8_t *buf, size_t len, bool sync)
{
	char new[64];
	int fd, ret;

	ret = snprintf(new, sizeof(new), "%s.new", name);
	if (ret < 0 || (size_t)ret >= sizeof(new))
		return -ENAMETOOLONG;
	fd = openat(dir_fd, new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, buf, len);
	if (!ret && sync && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	if (!ret && renameat(dir_fd, new, dir_fd, name))
		ret = -errno;
	if (ret)
		unlinkat(dir_fd, new, 0);
	return ret;
}
