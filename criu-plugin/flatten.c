// SPDX-License-Identifier: GPL-2.0-only
/*
 * frazil flatten: images on top of others become one directory.
 *
 * Theory of operation
 *
 * Twice over all pagemaps: once to see that every page is there and how many bytes the
 * result takes, then to write. What is written goes to a directory beside the result,
 * which gets its name when all is on disk. Whatever ends this earlier, an error or a
 * signal, removes that directory; only SIGKILL or a crash leave it, under its own name.
 *
 * One pagemap of each level is in memory at a time, and no pages are. Nothing but
 * pagemaps and pages refers to a parent: the inventory is copied like the rest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "copy.h"
#include "images.h"
#include "working_set.h"

struct flatten {
	struct images im;
	char *out; /* as it was asked for, without slashes at the end */
	char *tmp; /* where it is written; NULL: nowhere yet */
	int tmp_fd;
	uint32_t *pages_ids; /* of the pages files that are written anew */
	size_t nr_pagemaps;
	uint64_t pages, lazy_pages, entries, files;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

/* Of a file that cannot be written; @error is an errno. */
static int complain_write(const struct flatten *f, const char *name, int error)
{
	if (error == ENOSPC || error == EDQUOT)
		return complain("%s/%s: %s. The memory takes %" PRIu64 " MiB, and the other images some more: "
				"make room, or give another --output",
				f->out, name, strerror(error), (uint64_t)(f->pages * PAGE_BYTES >> 20));
	return complain("%s/%s: cannot be written: %s", f->out, name, strerror(error));
}

/* From here on, functions return 0, or -1 when the reason has been printed. */

static bool is_rewritten(const struct flatten *f, uint32_t pages_id)
{
	size_t i;

	for (i = 0; i < f->nr_pagemaps; i++)
		if (f->pages_ids[i] == pages_id)
			return true;
	return false;
}

static int remember_pages_id(struct flatten *f, const char *name, uint32_t pages_id)
{
	uint32_t *ids;

	if (is_rewritten(f, pages_id))
		return complain("%s/%s: damaged: pages-%" PRIu32 ".img belongs to another pagemap as well. Dump again",
				f->im.levels[0].path, name, pages_id);
	ids = reallocarray(f->pages_ids, f->nr_pagemaps + 1, sizeof(*ids));
	if (!ids)
		return complain("out of memory");
	f->pages_ids = ids;
	ids[f->nr_pagemaps++] = pages_id;
	return 0;
}

/* The first look at a pagemap: is all there, how much is it. */
static int plan_one(struct flatten *f, const char *name)
{
	struct chain c;
	size_t i;
	int ret;

	ret = chain_load(&f->im, name, &c);
	if (!ret)
		ret = remember_pages_id(f, name, c.pm[0].pages_id);
	if (!ret)
		ret = chain_open_pages(&f->im, &c);
	for (i = 0; !ret && i < c.pieces.nr; i++) {
		const struct piece *p = &c.pieces.v[i];
		uint64_t pages = (p->end - p->start) / PAGE_BYTES;

		f->pages += pages;
		f->im.levels[p->level].pages += pages;
		if (p->flags & PE_LAZY)
			f->lazy_pages += pages;
	}
	chain_fini(&c);
	return ret;
}

/* A new file of the result, with the mode of @name at the top. Returns it, or -1. */
static int create(const struct flatten *f, const char *name)
{
	struct stat st;
	mode_t mode = fstatat(f->im.levels[0].fd, name, &st, 0) ? 0600 : (st.st_mode & 0666) | 0600;
	int fd = openat(f->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return complain_write(f, name, errno);
	/* Not what the umask makes of it: whoever could read the images can read these. */
	if (fchmod(fd, mode)) {
		complain_write(f, name, errno);
		close(fd);
		return -1;
	}
	return fd;
}

/* Makes @fd have @bytes, puts it on disk and closes it. */
static int finish(const struct flatten *f, const char *name, int fd, uint64_t bytes)
{
	int ret = ftruncate(fd, bytes) || fsync(fd) ? -errno : 0;

	if (close(fd) && !ret)
		ret = -errno;
	return ret ? complain_write(f, name, -ret) : 0;
}

static int complain_copy(const struct flatten *f, const char *from, const char *name, const char *to, int error)
{
	if (error == ENOSPC || error == EDQUOT || error == EFBIG)
		return complain_write(f, to, error);
	if (error == EINTR)
		return complain("interrupted");
	return complain("%s/%s: cannot be copied to %s/%s: %s", from, name, f->out, to,
			error == ENODATA ? "it got shorter meanwhile" : strerror(error));
}

static int copy_pieces(const struct flatten *f, const struct chain *c, const char *to, int out)
{
	uint64_t at = 0;
	size_t i;

	for (i = 0; i < c->pieces.nr; i++) {
		const struct piece *p = &c->pieces.v[i];
		char name[PAGES_NAME_BYTES];
		int ret;

		ret = copy_data(c->fds[p->level], p->offset, out, at, p->end - p->start, c->sparse[p->level], &stop);
		if (ret) {
			pages_name(name, c->pm[p->level].pages_id);
			return complain_copy(f, f->im.levels[p->level].path, name, to, -ret);
		}
		at += p->end - p->start;
	}
	return 0;
}

static int write_pages(const struct flatten *f, struct chain *c, uint64_t bytes)
{
	char name[PAGES_NAME_BYTES];
	int out, ret;

	ret = chain_open_pages(&f->im, c);
	if (ret)
		return ret;
	pages_name(name, c->pm[0].pages_id);
	out = create(f, name);
	if (out < 0)
		return -1;
	ret = copy_pieces(f, c, name, out);
	if (!ret)
		return finish(f, name, out, bytes);
	close(out);
	return ret;
}

static int write_pagemap(const struct flatten *f, const struct pagemap *pm, const char *name)
{
	int fd = create(f, name), ret;
	FILE *out;

	if (fd < 0)
		return -1;
	out = fdopen(fd, "w");
	if (!out) {
		ret = -errno;
		close(fd);
		return complain_write(f, name, -ret);
	}
	ret = pagemap_write(out, pm);
	if (!ret && (fflush(out) || fsync(fd)))
		ret = -errno;
	if (fclose(out) && !ret)
		ret = -errno;
	return ret ? complain_write(f, name, -ret) : 0;
}

static int write_one(struct flatten *f, const char *name)
{
	struct pagemap pm = {};
	struct chain c;
	int ret;

	ret = chain_load(&f->im, name, &c);
	if (ret)
		goto out;
	pm.pages_id = c.pm[0].pages_id;
	pm.old_magic = c.pm[0].old_magic;
	if (chain_entries(&c.pieces, &pm.map))
		ret = complain("out of memory");
	if (!ret)
		ret = write_pages(f, &c, pm.map.file_bytes);
	if (!ret)
		ret = write_pagemap(f, &pm, name);
	f->entries += pm.map.nr;
	pagemap_fini(&pm);
out:
	chain_fini(&c);
	return ret;
}

/* Whether a file of the top directory belongs to the images, and goes with them. */
static bool is_copied(const struct flatten *f, const char *name)
{
	size_t len = strlen(name);
	unsigned int id;
	int end = 0;

	if (len > 4 && !strcmp(name + len - 4, ".log"))
		return false;
	/* The rounds file is about images with a parent; of ours, only the hint goes along. */
	if (!strcmp(name, PARENT_LINK) || (!strncmp(name, "frazil.", 7) && strcmp(name, WORKING_SET_FILE)))
		return false;
	return !(sscanf(name, "pages-%u.img%n", &id, &end) == 1 && end && !name[end] && is_rewritten(f, id));
}

static int copy_one(struct flatten *f, const char *name)
{
	const struct level *top = &f->im.levels[0];
	int in = -1, out = -1, ret;
	struct stat st;

	if (!is_copied(f, name))
		return 0;
	if (fstatat(top->fd, name, &st, 0))
		return complain("%s/%s: %s", top->path, name, strerror(errno));
	/* Sockets of lazy-pages, directories of others. */
	if (!S_ISREG(st.st_mode))
		return 0;
	in = openat(top->fd, name, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return complain("%s/%s: %s", top->path, name, strerror(errno));
	out = create(f, name);
	ret = out < 0 ? -1 : 0;
	if (!ret) {
		ret = copy_data(in, 0, out, 0, st.st_size, file_is_sparse(&st), &stop);
		if (ret)
			ret = complain_copy(f, top->path, name, name, -ret);
	}
	if (!ret)
		ret = finish(f, name, out, st.st_size);
	else if (out >= 0)
		close(out);
	close(in);
	f->files++;
	return ret;
}

static int for_each_file(struct flatten *f, bool pagemaps, int (*func)(struct flatten *f, const char *name))
{
	int fd = openat(f->im.levels[0].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct pagemap_name of;
	struct dirent *d;

	if (!dir) {
		ret = complain("%s: %s", f->im.levels[0].path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	while (!ret && (d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (stop)
			ret = complain("interrupted");
		else if (pagemap_parse_name(d->d_name, &of) == pagemaps)
			ret = func(f, d->d_name);
	}
	closedir(dir);
	return ret;
}

/* Where the result will be: not there yet, or an empty directory. Sets f->out. */
static int check_output(struct flatten *f, const char *output, mode_t *mode)
{
	struct dirent *d;
	struct stat st;
	size_t len;
	DIR *dir;
	int nr = 0;

	*mode = fstat(f->im.levels[0].fd, &st) ? 0700 : st.st_mode & 0777;
	f->out = realpath(output, NULL);
	if (!f->out) {
		if (errno != ENOENT)
			return complain("%s: %s", output, strerror(errno));
		f->out = strdup(output);
		if (!lstat(output, &st))
			return complain("%s: exists, and is a link to nowhere. Give an --output that is not there yet",
					output);
		if (!f->out)
			return complain("out of memory");
		for (len = strlen(f->out); len > 1 && f->out[len - 1] == '/'; len--)
			f->out[len - 1] = '\0';
		return 0;
	}
	dir = opendir(f->out);
	if (!dir)
		return complain("%s: %s. Give an --output that is not there yet", output,
				errno == ENOTDIR ? "exists, and is not a directory" : strerror(errno));
	while ((d = readdir(dir)))
		nr += strcmp(d->d_name, ".") && strcmp(d->d_name, "..");
	if (!fstat(dirfd(dir), &st))
		*mode = st.st_mode & 0777;
	closedir(dir);
	if (nr)
		return complain("%s: exists, and is not empty. Give an --output that is not there yet", output);
	return 0;
}

static int make_tmp(struct flatten *f)
{
	char *tmp;

	if (asprintf(&tmp, "%s.frazil-XXXXXX", f->out) < 0)
		return complain("out of memory");
	if (!mkdtemp(tmp)) {
		free(tmp);
		return complain("%s: cannot be made: %s", f->out, strerror(errno));
	}
	f->tmp = tmp;
	f->tmp_fd = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->tmp_fd < 0 ? complain("%s: %s", tmp, strerror(errno)) : 0;
}

static void remove_tmp(struct flatten *f)
{
	DIR *dir = fdopendir(f->tmp_fd);
	struct dirent *d;

	if (dir) {
		while ((d = readdir(dir)))
			if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
				unlinkat(dirfd(dir), d->d_name, 0);
		closedir(dir);
	}
	if (rmdir(f->tmp))
		complain("%s: cannot be removed: %s", f->tmp, strerror(errno));
}

/* Gives the result its name, for good. */
static int publish(struct flatten *f, mode_t mode)
{
	char *copy;
	int fd, ret;

	if (fchmod(f->tmp_fd, mode) || fsync(f->tmp_fd))
		return complain("%s: %s", f->tmp, strerror(errno));
	if (rename(f->tmp, f->out))
		return complain("%s: cannot be given its name: %s. Give an --output that is not there yet", f->out,
				strerror(errno));
	free(f->tmp);
	f->tmp = NULL;
	copy = strdup(f->out);
	fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	ret = fd < 0 || fsync(fd) ? complain("%s: complete, but maybe not on disk yet: %s", f->out, strerror(errno))
				  : 0;
	if (fd >= 0)
		close(fd);
	free(copy);
	return ret;
}

static void print_json(const struct flatten *f)
{
	size_t i;

	printf("{\"output\": ");
	print_json_string(f->out);
	printf(", \"pages\": %" PRIu64 ", \"lazy\": %" PRIu64 ", \"bytes\": %" PRIu64
	       ", \"pagemaps\": %zu, \"entries\": %" PRIu64 ", \"files\": %" PRIu64 ", \"levels\": [",
	       f->pages, f->lazy_pages, (uint64_t)(f->pages * PAGE_BYTES), f->nr_pagemaps, f->entries, f->files);
	for (i = 0; i < f->im.nr; i++) {
		printf("%s\n  {\"level\": %zu, \"images\": ", i ? "," : "", i);
		print_json_string(f->im.levels[i].path);
		printf(", \"pages\": %" PRIu64 "}", f->im.levels[i].pages);
	}
	printf("\n]}\n");
}

static void print_text(const struct flatten *f)
{
	size_t i;

	printf("%5s %12s  %s\n", "LEVEL", "PAGES", "IMAGES");
	for (i = 0; i < f->im.nr; i++)
		printf("%5zu %12" PRIu64 "  %s\n", i, f->im.levels[i].pages, f->im.levels[i].path);
	printf("%s: %" PRIu64 " pages in %" PRIu64 " entries, %" PRIu64 " of them may be restored lazily; "
	       "%" PRIu64 " other files\n",
	       f->out, f->pages, f->entries, f->lazy_pages, f->files);
	if (faccessat(f->im.levels[0].fd, PSTREE_FILE, F_OK, 0))
		printf("These are images of a pre-dump: nothing to restore, but a dump can have them as its parent.\n");
}

static int flatten(struct flatten *f, const char *dir, const char *output)
{
	mode_t mode;
	int ret;

	ret = images_open(&f->im, dir);
	if (!ret)
		ret = check_output(f, output, &mode);
	if (!ret)
		ret = for_each_file(f, true, plan_one);
	if (!ret)
		ret = make_tmp(f);
	if (!ret)
		ret = for_each_file(f, true, write_one);
	if (!ret)
		ret = for_each_file(f, false, copy_one);
	if (!ret)
		ret = publish(f, mode);
	return ret;
}

static void flatten_fini(struct flatten *f)
{
	if (f->tmp)
		remove_tmp(f);
	else if (f->tmp_fd >= 0)
		close(f->tmp_fd);
	images_fini(&f->im);
	free(f->pages_ids);
	free(f->tmp);
	free(f->out);
}

static void usage(FILE *f)
{
	fputs("Usage: frazil flatten DIR --output NEWDIR [--json]\n"
	      "\n"
	      "Merges the images in DIR, and those they are on top of (DIR/parent and so on), into\n"
	      "one directory that needs no other. Any criu restores it, also lazily: pages keep\n"
	      "the mark that DIR has for them. Says how many pages were taken from where.\n"
	      "\n"
	      "  --output NEWDIR  must not exist, or be empty; is there when it is complete\n"
	      "  --json           for programs\n"
	      "\n"
	      "Images of a task that criu left to a page server cannot be merged. Log files are\n"
	      "not copied. Nothing is changed in DIR. Exit status 1 when it failed; nothing is\n"
	      "left behind then.\n",
	      f);
}

int cmd_flatten(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct sigaction sa = { .sa_handler = on_signal };
	struct flatten f = { .tmp_fd = -1 };
	const char *output = NULL;
	bool json = false;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'o':
			output = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc || !output || !*output) {
		usage(stderr);
		return EXIT_USAGE;
	}

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	ret = flatten(&f, argv[optind], output);
	if (!ret && json)
		print_json(&f);
	else if (!ret)
		print_text(&f);
	flatten_fini(&f);
	return ret ? EXIT_NO : EXIT_OK;
}
