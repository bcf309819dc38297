// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>

#include "file.h"
#include "rounds.h"

/* Some 60 bytes for each task: this many are more tasks than pids. */
#define ROUNDS_MAX_BYTES (512ul << 20)

/*
 * Reads the rounds file @path, relative to @dir_fd, into *@rounds, to be freed with
 * frazil_rounds__free_unpacked().
 *
 * Returns 0; -ENOENT when there is none; -EPROTO when it is damaged or of another
 * version; another -errno.
 */
int rounds_read(int dir_fd, const char *path, FrazilRounds **rounds)
{
	FrazilRounds *r;
	uint8_t *buf;
	size_t len;
	int ret;

	*rounds = NULL;
	ret = file_read(dir_fd, path, ROUNDS_MAX_BYTES, &buf, &len);
	if (ret)
		return ret;
	r = frazil_rounds__unpack(NULL, len, buf);
	free(buf);
	if (!r || r->version != ROUNDS_VERSION) {
		if (r)
			frazil_rounds__free_unpacked(r, NULL);
		return -EPROTO;
	}
	*rounds = r;
	return 0;
}

/*
 * Writes the rounds file of the images directory @dir_fd: whole and on disk, or
 * not at all.
 *
 * Returns 0 or -errno.
 */
int rounds_write(int dir_fd, FrazilTask **tasks, size_t nr, FrazilLive **lives, size_t nr_lives)
{
	FrazilRounds r = FRAZIL_ROUNDS__INIT;
	uint8_t *buf;
	size_t len;
	int ret;

	r.version = ROUNDS_VERSION;
	r.tasks = tasks;
	r.n_tasks = nr;
	r.lives = lives;
	r.n_lives = nr_lives;
	len = frazil_rounds__get_packed_size(&r);
	buf = malloc(len);
	if (!buf)
		return -ENOMEM;
	frazil_rounds__pack(&r, buf);
	ret = file_replace(dir_fd, ROUNDS_FILE, buf, len, true);
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
