// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rounds.h"

/* Some 60 bytes for each task: this many are more tasks than pids. */
#define ROUNDS_MAX_BYTES (512ul << 20)

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
 * Reads the rounds file @path, relative to @dir_fd, into *@rounds, to be freed with
 * frazil_rounds__free_unpacked().
 *
 * Returns 0; -ENOENT when there is none; -EPROTO when it is damaged or of another
 * version; another -errno.
 */
int rounds_read(int dir_fd, const char *path, FrazilRounds **rounds)
{
	FrazilRounds *r = NULL;
	uint8_t *buf = NULL;
	struct stat st;
	int fd, ret;

	fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fstat(fd, &st) ? -errno : 0;
	if (!ret && (st.st_size == 0 || st.st_size > (off_t)ROUNDS_MAX_BYTES))
		ret = -EPROTO;
	if (!ret) {
		buf = malloc(st.st_size);
		ret = buf ? read_all(fd, buf, st.st_size) : -ENOMEM;
	}
	close(fd);
	if (!ret) {
		r = frazil_rounds__unpack(NULL, st.st_size, buf);
		if (!r || r->version != ROUNDS_VERSION)
			ret = -EPROTO;
	}
	free(buf);
	if (ret && r)
		frazil_rounds__free_unpacked(r, NULL);
	*rounds = ret ? NULL : r;
	return ret;
}

/*
 * Writes the rounds file of the images directory @dir_fd: whole and on disk, or
 * not at all.
 *
 * Returns 0 or -errno.
 */
int rounds_write(int dir_fd, FrazilTask **tasks, size_t nr)
{
	FrazilRounds r = FRAZIL_ROUNDS__INIT;
	uint8_t *buf;
	size_t len;
	int fd, ret;

	r.version = ROUNDS_VERSION;
	r.tasks = tasks;
	r.n_tasks = nr;
	len = frazil_rounds__get_packed_size(&r);
	buf = malloc(len);
	if (!buf)
		return -ENOMEM;
	frazil_rounds__pack(&r, buf);

	fd = openat(dir_fd, ROUNDS_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		ret = -errno;
		goto out;
	}
	ret = write_all(fd, buf, len);
	if (!ret && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	if (!ret && renameat(dir_fd, ROUNDS_FILE ".new", dir_fd, ROUNDS_FILE))
		ret = -errno;
	if (ret)
		unlinkat(dir_fd, ROUNDS_FILE ".new", 0);
out:
	free(buf);
	return ret;
}

/* The entry of a task, or NULL. @rounds may be NULL. */
const FrazilTask *rounds_find(const FrazilRounds *rounds, int pid, uint64_t start_time)
{
	size_t i;

	for (i = 0; rounds && i < rounds->n_tasks; i++)
		if (rounds->tasks[i]->pid == pid && rounds->tasks[i]->start_time == start_time)
			return rounds->tasks[i];
	return NULL;
}
