// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "images.h"

/* Says what is wrong, and what to do about it. Returns -1, for the caller to hand on. */
int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("frazil: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return -1;
}

/* Opens the next level, at @path relative to @dir_fd; @shown is its name for people. */
static int add_level(struct images *im, int dir_fd, const char *path, const char *shown)
{
	struct level *l = reallocarray(im->levels, im->nr + 1, sizeof(*l));
	struct stat st;
	size_t i;

	if (!l)
		return complain("out of memory");
	im->levels = l;
	l += im->nr;
	*l = (struct level){ .fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	if (l->fd < 0)
		return complain("%s: %s%s", shown, strerror(errno),
				im->nr ? ". The images need their parent: put it back where the link points to" : "");
	im->nr++;
	l->path = strdup(shown);
	if (!l->path || fstat(l->fd, &st))
		return complain("%s: %s", shown, strerror(errno));
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	for (i = 0; i + 1 < im->nr; i++)
		if (im->levels[i].dev == st.st_dev && im->levels[i].ino == st.st_ino)
			return complain(
				"%s is %s again: the parent links go in a circle. Make the wrong one point to the "
				"images that were there before",
				shown, im->levels[i].path);
	return 0;
}

/*
 * Opens the images directory @dir and all those it is on top of. *@im is freed with
 * images_fini(), also after an error.
 */
int images_open(struct images *im, const char *dir)
{
	struct stat st;
	char *shown;
	int ret;

	*im = (struct images){};
	ret = add_level(im, AT_FDCWD, dir, dir);
	while (!ret) {
		const struct level *last = &im->levels[im->nr - 1];

		if (fstatat(last->fd, PARENT_LINK, &st, AT_SYMLINK_NOFOLLOW)) {
			if (errno == ENOENT)
				break;
			return complain("%s/" PARENT_LINK ": %s", last->path, strerror(errno));
		}
		if (asprintf(&shown, "%s/" PARENT_LINK, last->path) < 0)
			return complain("out of memory");
		ret = add_level(im, last->fd, PARENT_LINK, shown);
		free(shown);
	}
	if (!ret && faccessat(im->levels[0].fd, INVENTORY_FILE, F_OK, 0))
		return complain("%s/" INVENTORY_FILE
				": %s. This is no directory of CRIU images, or of a dump that failed",
				dir, strerror(errno));
	return ret;
}

void images_fini(struct images *im)
{
	size_t i;

	for (i = 0; i < im->nr; i++) {
		close(im->levels[i].fd);
		free(im->levels[i].path);
	}
	free(im->levels);
	*im = (struct images){};
}

/* A page that is nowhere: says which one, of what, and where it should have been. */
static void complain_missing(const struct images *im, const struct chain *c, const char *name, int error,
			     const struct chain_fault *fault)
{
	size_t lost = fault->level;
	const char *asking, *looked = lost < im->nr ? im->levels[lost].path : NULL;
	struct pagemap_name of = {};
	char page[64];

	pagemap_parse_name(name, &of);
	snprintf(page, sizeof(page), "page %#" PRIx64 " of %s %lu", fault->addr, of.shmem ? "shared memory" : "task",
		 of.id);
	if (error == ENODATA) {
		complain(
			"%s/%s: %s is not in these images: it was left to a page server (criu dump --lazy-pages). Dump "
			"again without --lazy-pages",
			looked, name, page);
		return;
	}
	/* The page was found at the level above, or there would be no one to miss it. */
	asking = im->levels[lost - 1].path;
	if (lost < c->nr)
		complain(
			"%s/%s: %s is in the parent images, but not in %s/%s. One of them is damaged, or this is not the "
			"parent they were dumped with: put that one back, or dump again",
			asking, name, page, looked, name);
	else if (looked)
		complain("%s/%s: %s is in the parent images, but there is no %s/%s: put the file back, or dump again",
			 asking, name, page, looked, name);
	else
		complain("%s/%s: %s is in the parent images, but there is no %s/" PARENT_LINK
			 ": make it a link to the images that were dumped before, or dump again",
			 asking, name, page, asking);
}

/* Reads the pagemap of all levels down to the last one that is needed. */
static int read_levels(const struct images *im, const char *name, struct chain *c)
{
	const char *why;
	int ret;

	do {
		ret = pagemap_read(im->levels[c->nr].fd, name, &c->pm[c->nr], &why);
		/* As in criu, a level without one ends the chain. */
		if (ret == -ENOENT && c->nr)
			return 0;
		if (ret)
			return complain("%s/%s: %s. Copy it again from where it came from, or dump again",
					im->levels[c->nr].path, name, why);
		c->nr++;
	} while (c->pm[c->nr - 1].map.has_parent && c->nr < im->nr);
	return 0;
}

/*
 * Reads the pagemap @name of all levels that are needed, and finds its pages. *@c is
 * freed with chain_fini(), also after an error.
 */
int chain_load(const struct images *im, const char *name, struct chain *c)
{
	struct page_map *maps = calloc(im->nr, sizeof(*maps));
	struct chain_fault fault;
	size_t i;
	int ret;

	*c = (struct chain){
		.pm = calloc(im->nr, sizeof(*c->pm)),
		.fds = calloc(im->nr, sizeof(*c->fds)),
		.sparse = calloc(im->nr, sizeof(*c->sparse)),
	};
	for (i = 0; c->fds && i < im->nr; i++)
		c->fds[i] = -1;
	if (!maps || !c->pm || !c->fds || !c->sparse) {
		ret = complain("out of memory");
		goto out;
	}
	ret = read_levels(im, name, c);
	if (ret)
		goto out;

	for (i = 0; i < c->nr; i++)
		maps[i] = c->pm[i].map;
	ret = chain_resolve(maps, c->nr, &c->pieces, &fault);
	if (ret == -ENOMEM)
		complain("out of memory");
	else if (ret)
		complain_missing(im, c, name, -ret, &fault);
	ret = ret ? -1 : 0;
out:
	free(maps);
	return ret;
}

/* The name of a pages file; @name has PAGES_NAME_BYTES. */
void pages_name(char *name, uint32_t pages_id)
{
	snprintf(name, PAGES_NAME_BYTES, "pages-%" PRIu32 ".img", pages_id);
}

/* How many bytes of a level's pages file have to be there. */
static uint64_t bytes_needed(const struct chain *c, size_t level)
{
	uint64_t need = 0;
	size_t i;

	for (i = 0; i < c->pieces.nr; i++) {
		const struct piece *p = &c->pieces.v[i];

		if (p->level == level && p->offset + (p->end - p->start) > need)
			need = p->offset + (p->end - p->start);
	}
	return need;
}

/*
 * Opens the pages files that pages are needed of, and sees that they are long enough.
 * chain_fini() closes them.
 */
int chain_open_pages(const struct images *im, struct chain *c)
{
	char name[PAGES_NAME_BYTES];
	struct stat st;
	size_t i;

	for (i = 0; i < c->nr; i++) {
		uint64_t need = bytes_needed(c, i);

		if (!need)
			continue;
		pages_name(name, c->pm[i].pages_id);
		c->fds[i] = openat(im->levels[i].fd, name, O_RDONLY | O_CLOEXEC);
		if (c->fds[i] < 0 || fstat(c->fds[i], &st))
			return complain("%s/%s: %s. It has pages that are needed: put it back, or dump again",
					im->levels[i].path, name, strerror(errno));
		c->sparse[i] = file_is_sparse(&st);
		if ((uint64_t)st.st_size < need)
			return complain("%s/%s: truncated: it has %lld bytes, and should have %" PRIu64
					". Copy it again from where it came from, or dump again",
					im->levels[i].path, name, (long long)st.st_size, need);
	}
	return 0;
}

void chain_fini(struct chain *c)
{
	size_t i;

	for (i = 0; i < c->nr; i++) {
		pagemap_fini(&c->pm[i]);
		if (c->fds[i] >= 0)
			close(c->fds[i]);
	}
	free(c->pm);
	free(c->fds);
	free(c->sparse);
	piece_list_fini(&c->pieces);
	*c = (struct chain){};
}
