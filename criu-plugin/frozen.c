// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of one task as it was when it was frozen: which pages it is about, which of them
 * are in the file, and how the others are read. See live.c for how it all works.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "freezer.h"
#include "page.h"
#include "pieces.h"
#include "proc.h"

/* Pages copied at once while the task is stopped. */
#define COPY_PAGES 64

/*
 * The number of the page at @addr, among those that are to be saved, or NO_PAGE.
 * [*start, *end) are the addresses of the stretch that it is in.
 */
uint64_t frozen_page(const struct frozen *f, uint64_t addr, uint64_t *start, uint64_t *end)
{
	size_t lo = 0, hi = f->args.nr_iovs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		*start = (uintptr_t)f->args.iovs[mid].iov_base;
		*end = *start + f->args.iovs[mid].iov_len;
		if (addr >= *end)
			lo = mid + 1;
		else if (addr < *start)
			hi = mid;
		else
			return f->first[mid] + (addr - *start) / PAGE_BYTES;
	}
	return NO_PAGE;
}

bool frozen_is_saved(const struct frozen *f, uint64_t page)
{
	return f->saved[page / 8] >> page % 8 & 1;
}

/* The first error is the one that is told. */
void frozen_fail(struct frozen *f, int error, uint64_t addr)
{
	if (f->error)
		return;
	f->error = error;
	f->error_addr = addr;
}

/* Reads from /proc/PID/mem. Returns 0; -ESRCH when that memory is gone; -errno. */
static int read_mem(int mem, uint64_t addr, char *buf, size_t len)
{
	while (len) {
		ssize_t ret = pread(mem, buf, len, addr);

		if (ret <= 0)
			return ret ? -errno : -ESRCH;
		buf += ret;
		addr += ret;
		len -= ret;
	}
	return 0;
}

/* Reads @nr pages, the first of which is number @page, from the file, where they are. Returns 0 or -errno. */
int frozen_read_saved(const struct frozen *f, uint64_t page, uint64_t nr, char *buf)
{
	uint64_t off = page * PAGE_BYTES;
	size_t len = nr * PAGE_BYTES;

	while (len) {
		ssize_t ret = pread(f->save, buf, len, off);

		if (ret <= 0)
			return ret ? -errno : -ENODATA;
		buf += ret;
		off += ret;
		len -= ret;
	}
	return 0;
}

/*
 * Whether the disk took all of the file so far: the kernel forgets pages that it could not write, and has
 * something else where they were. To be asked after they were read; waits for what is being written.
 * Returns 0 or -errno.
 */
int frozen_check_saved(const struct frozen *f)
{
	return sync_file_range(f->save, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) ? -errno : 0;
}

static int pwrite_all(int fd, const char *buf, size_t len, uint64_t off)
{
	while (len) {
		ssize_t ret = pwrite(fd, buf, len, off);

		if (ret < 0)
			return -errno;
		buf += ret;
		off += ret;
		len -= ret;
	}
	return 0;
}

/* Whether all @nr pages from @addr on are frozen: to be asked after they were read. */
static int check_frozen(struct frozen *f, uint64_t addr, uint64_t nr)
{
	uint64_t pages;
	int ret = scan_matching(f->pagemap, addr, addr + nr * PAGE_BYTES, &f->freezer->frozen, NULL, &pages);

	if (ret)
		return ret;
	return pages == nr ? 0 : -ESTALE;
}

/* Reads @nr frozen pages. Returns 0; -ESTALE when they are not frozen any more; -ESRCH when that memory is gone;
 * -errno. */
int frozen_read(struct frozen *f, uint64_t addr, uint64_t nr, void *buf)
{
	int ret = read_mem(f->mem, addr, buf, nr * PAGE_BYTES);

	/* Where nothing is mapped, the error is EIO as well. */
	if ((ret && ret != -EIO) || !f->freezer->may_tear)
		return ret;
	return check_frozen(f, addr, nr) ?: ret;
}

/* Puts pages in the file: frozen ones, or those of a task that is stopped. */
static int save(struct frozen *f, bool stopped, uint64_t page, uint64_t addr, uint64_t nr, void *buf, size_t buf_pages)
{
	while (nr) {
		uint64_t i, n = nr < buf_pages ? nr : buf_pages;
		int ret = stopped ? read_mem(f->origin, addr, buf, n * PAGE_BYTES) : frozen_read(f, addr, n, buf);

		if (!ret)
			ret = pwrite_all(f->save, buf, n * PAGE_BYTES, page * PAGE_BYTES);
		if (ret) {
			frozen_fail(f, ret, addr);
			return ret;
		}
		for (i = page; i < page + n; i++)
			f->saved[i / 8] |= 1u << i % 8;
		page += n;
		addr += n * PAGE_BYTES;
		nr -= n;
	}
	return 0;
}

/*
 * Puts @nr frozen pages, the first of which is number @page and at @addr, in the file.
 * @buf: room for @buf_pages pages. Returns 0 or -errno; the dump fails then.
 */
int frozen_save(struct frozen *f, uint64_t page, uint64_t addr, uint64_t nr, void *buf, size_t buf_pages)
{
	return save(f, false, page, addr, nr, buf, buf_pages);
}

/* Copies what of [start, end), all of it to be saved, is not frozen. */
static int save_others(struct frozen *f, uint64_t page, uint64_t start, uint64_t end, size_t *run, void *buf)
{
	const struct run_set *seen = &f->seen;

	while (start < end) {
		uint64_t stop = end, pages;

		while (*run < seen->nr && (seen->v[*run].end <= start || !(seen->v[*run].state & PAGE_FROZEN)))
			(*run)++;
		if (*run < seen->nr && seen->v[*run].start <= start) {
			stop = seen->v[*run].end < end ? seen->v[*run].end : end;
			page += (stop - start) / PAGE_BYTES;
			start = stop;
			continue;
		}
		if (*run < seen->nr && seen->v[*run].start < end)
			stop = seen->v[*run].start;
		pages = (stop - start) / PAGE_BYTES;
		if (save(f, true, page, start, pages, buf, COPY_PAGES))
			return f->error;
		f->counts.copied_frozen += pages;
		page += pages;
		start = stop;
	}
	return 0;
}

/*
 * The first page of a mapping that is to be saved, or NO_PAGE. @iov: 0 for the first one
 * of the mappings, which are taken in the order of their addresses.
 */
uint64_t frozen_first_listed(const struct frozen *f, const struct cr_plugin_vma *vma, size_t *iov)
{
	uint64_t start = 0;

	for (; *iov < f->args.nr_iovs; (*iov)++) {
		const struct iovec *v = &f->args.iovs[*iov];

		start = (uintptr_t)v->iov_base;
		if (start + v->iov_len > vma->start)
			break;
	}
	if (*iov == f->args.nr_iovs || start >= vma->end)
		return NO_PAGE;
	return start > vma->start ? start : vma->start;
}

/* Closes what is in a piece of covered mappings, if that is left to do, and looks what there is. */
static int look_at(const void *arg, uint64_t start, uint64_t end, struct run_set *seen)
{
	const struct frozen *f = arg;
	const struct scan_filter *filter = &f->freezer->closed;
	int ret = 0;

	/* A round of tracking has closed and marked them. */
	if (!filter->mask || f->tracked)
		filter = &f->freezer->frozen;
	if (f->freezer->close && !f->tracked)
		ret = f->freezer->close(f, start, end);
	return ret ?: scan_seen(f->pagemap, start, end, filter, seen);
}

/* The same for a whole mapping, all or nothing of which is frozen. */
static int look_at_whole(struct frozen *f, const struct cr_plugin_vma *vma, uint64_t first)
{
	uint64_t pages;
	int ret = scan_matching(f->pagemap, first, first + PAGE_BYTES, &f->freezer->frozen, NULL, &pages);

	return ret || !pages ? ret : run_set_add(&f->seen, vma->start, vma->end, PAGE_FROZEN);
}

/* What is to be looked at: what the freezer took care of, of that what has listed pages, if they are listed. */
static int look_begin(struct frozen *f)
{
	size_t i, iov = 0;
	int ret = 0;

	for (i = 0; i < f->args.nr_vmas && !ret; i++) {
		const struct cr_plugin_vma *vma = &f->args.vmas[i];
		uint64_t first = f->listed ? frozen_first_listed(f, vma, &iov) : vma->start;

		if (!f->covered[i] || first == NO_PAGE)
			continue;
		ret = f->freezer->whole ? look_at_whole(f, vma, first)
					: run_set_add(&f->seen_in, vma->start, vma->end, 0);
	}
	if (ret || f->freezer->whole)
		return ret;
	f->look = pieces_begin(&f->seen_in, look_at, f);
	return f->look ? 0 : -ENOMEM;
}

/*
 * Has threads find out which pages there are of a task that is stopped and frozen, and which of
 * them are frozen, while criu reads what else there is to know of its mappings. An error is told
 * by frozen_save_rest().
 */
void frozen_look_aside(struct frozen *f)
{
	f->look_ret = look_begin(f);
	f->looked = true;
}

/* Waits for that. Returns 0 or -errno, after which some of it may be closed. */
static int look_end(struct frozen *f)
{
	if (f->look)
		f->look_ret = pieces_finish(f->look, &f->seen);
	f->look = NULL;
	return f->look_ret;
}

/* To be called before what those threads use is closed. */
void frozen_look_cancel(struct frozen *f)
{
	pieces_cancel(f->look);
	f->look = NULL;
}

static void forget_seen(struct frozen *f)
{
	run_set_fini(&f->seen);
	run_set_fini(&f->seen_in);
	f->looked = false;
}

/* Sees to it that it is known what is frozen. Returns 0 or -errno. */
static int see(struct frozen *f)
{
	if (!f->looked)
		frozen_look_aside(f);
	return look_end(f);
}

/*
 * Answers criu's question which pages there are of a task that is frozen, and not listed yet. Returns
 * the number of regions; or -ENOTSUP, and the kernel is to be asked.
 */
int frozen_scan(struct frozen *f, struct pm_scan_arg *arg)
{
	/* An error is told by frozen_save_rest(). */
	return !see(f) && scan_is_covered(&f->seen_in, arg) ? (int)scan_again(&f->seen, arg) : -ENOTSUP;
}

/* Puts what is not frozen of a task that is stopped in the file. Returns 0 or -errno. */
int frozen_save_rest(struct frozen *f)
{
	void *buf = malloc(COPY_PAGES * PAGE_BYTES);
	int ret = buf ? see(f) : -ENOMEM;
	size_t i, run = 0;

	for (i = 0; i < f->args.nr_iovs && !ret; i++) {
		uint64_t start = (uintptr_t)f->args.iovs[i].iov_base;

		ret = save_others(f, f->first[i], start, start + f->args.iovs[i].iov_len, &run, buf);
	}
	free(buf);
	forget_seen(f);
	return ret;
}

/* A file that is gone when it is closed. */
static int open_save_file(int dir)
{
	char name[32];
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd < 0 ? -errno : fd;
	snprintf(name, sizeof(name), ".frazil.%d", getpid());
	fd = openat(dir, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unlinkat(dir, name, 0);
	return fd;
}

void frozen_free(struct frozen *f)
{
	int *fds[] = { &f->uffd, &f->pagemap, &f->save, &f->origin };
	size_t i;

	if (f->mem >= 0 && f->mem != f->origin)
		close(f->mem);
	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	forget_seen(f);
	free(f->vmas);
	free(f->covered);
	free(f->first);
	free(f->saved);
	free(f);
}

/*
 * Prepares what is known of a task, to be freed with frozen_free() after an error as well.
 * @args: without pages, see frozen_list(). @dir: the images directory. Nothing is frozen yet.
 * Returns 0 or -errno.
 */
int frozen_new(const struct cr_plugin_protect_mem *args, int dir, struct frozen **new)
{
	struct frozen *f = calloc(1, sizeof(*f));
	int ret;

	*new = f;
	if (!f)
		return -ENOMEM;
	f->uffd = f->origin = f->mem = f->pagemap = f->save = -1;
	f->covered = calloc(args->nr_vmas, sizeof(*f->covered));
	f->vmas = calloc(args->nr_vmas, sizeof(*f->vmas));
	if (!f->covered || !f->vmas)
		return -ENOMEM;
	memcpy(f->vmas, args->vmas, args->nr_vmas * sizeof(*f->vmas));
	f->args = *args;
	f->args.vmas = f->vmas;
	ret = task_start_time(args->pid, &f->start_time);
	if (ret)
		return ret;
	ret = f->origin = proc_open(args->pid, "mem", O_RDONLY);
	if (ret < 0)
		return ret;
	ret = f->save = open_save_file(dir);
	return ret < 0 ? ret : 0;
}

/*
 * Tells it which pages it is about, once. If the task is frozen already, more is known of its
 * mappings now. Returns 0 or -errno.
 */
int frozen_list(struct frozen *f, const struct cr_plugin_protect_mem *args)
{
	size_t i;

	if (args->nr_vmas != f->args.nr_vmas)
		return -EINVAL;
	/* To look again, should a mapping turn out to be none that is frozen. */
	look_end(f);
	f->args = *args;
	for (i = 0; i < args->nr_vmas; i++)
		if (f->covered[i] && f->freezer->refusal(&args->vmas[i])) {
			f->covered[i] = false;
			forget_seen(f);
		}
	f->first = calloc(args->nr_iovs, sizeof(*f->first));
	if (!f->first)
		return -ENOMEM;
	for (i = 0; i < args->nr_iovs; i++) {
		f->first[i] = f->nr_pages;
		f->nr_pages += args->iovs[i].iov_len / PAGE_BYTES;
	}
	f->bytes = f->nr_pages * PAGE_BYTES;
	f->saved = calloc(1, f->nr_pages / 8 + 1);
	f->listed = f->saved;
	return f->listed ? 0 : -ENOMEM;
}
