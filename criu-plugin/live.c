// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A live dump stops a task, freezes its pages, notes which of them belong in the images,
 * and lets the task go on. criu then reads these pages in address order. A freezer
 * sees to it that they still contain what they did: each access is told of before
 * it happens, or they are in another process that does nothing.
 *
 *	frozen		-> read by criu				"copied behind"
 *	frozen		-> in the file -> read by criu		"copied by fault"
 *	not freezable	-> in the file -> read by criu		"copied frozen"
 *
 * The file is in the images directory and has no name; page n is at n pages from its
 * start, and holes take no space. It is no cache: what is in it is nowhere else. So a
 * slow disk makes the task wait, and memory does not grow with the task's.
 *
 * What is frozen is not what was asked for but what the kernel shows to be frozen,
 * page by page: after freezing, all else is copied at once; and after a page was read,
 * it has to be frozen still. This notices what no freezer can undo: that the task
 * unmapped, moved or discarded pages that were not read yet. The dump fails then. It is
 * read through /proc/PID/mem, which stays with the memory it was opened for when the
 * task calls execve(), and sees pages that the task may not read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clone.h"
#include "host.h"
#include "keeper.h"
#include "live.h"
#include "page.h"
#include "reaper.h"

/* Pages read at once while others, who serve faults, have to wait: 256 KiB. */
#define STEP_PAGES 64

/*
 * "auto" takes the first that works for a task:
 *
 *	fork		needs a process, and memory for what the task writes; hardly
 *			anything that the task does makes it fail
 *	deactivate	needs no memory, and what the task did not use stays cold for
 *			the next round; unmapping makes it fail
 *	wp		needs nothing, and fails as well
 */
const struct freezer *const freezers[] = { &freezer_fork, &freezer_deactivate, &freezer_wp, NULL };

/* Those that may be used in this dump, and whether that is one that was asked for: by live_begin(). */
static bool works[sizeof(freezers) / sizeof(*freezers)];
static bool one_asked_for;

static struct frozen *all;

/* The freezer of that name, or NULL. */
const struct freezer *freezer_find(const char *name)
{
	int i;

	for (i = 0; freezers[i]; i++)
		if (!strcmp(freezers[i]->name, name))
			return freezers[i];
	return NULL;
}

const struct frozen *live_first(void)
{
	return all;
}

static void lock(const struct frozen *f)
{
	if (f->freezer->lock)
		f->freezer->lock();
}

static void unlock(const struct frozen *f)
{
	if (f->freezer->unlock)
		f->freezer->unlock();
}

/* Freezes with one freezer. Returns 0 or -errno, after which the task is as before. */
static int freeze_with(struct frozen *f, const struct freezer *freezer)
{
	int ret;

	f->freezer = freezer;
	f->tracked = false;
	memset(f->covered, 0, f->args.nr_vmas * sizeof(*f->covered));
	ret = freezer->freeze(f);
	if (ret)
		f->freezer = NULL;
	return ret;
}

static void unfreeze(struct frozen *f)
{
	frozen_look_cancel(f);
	f->freezer->end(f);
}

/*
 * What takes time and can be done before tasks are stopped. @asked: the freezer that was asked
 * for and works; or NULL, when any of them may be used.
 */
void live_begin(const struct freezer *asked)
{
	struct tracker_verdict verdict;
	int i;

	one_asked_for = asked != NULL;
	for (i = 0; freezers[i]; i++) {
		works[i] = freezers[i] == asked;
		if (!asked) {
			works[i] = !freezers[i]->probe(&verdict);
			if (!works[i])
				log_info("%s cannot freeze memory here: %s\n", freezers[i]->name, verdict.reason);
		}
		if (works[i] && freezers[i]->prepare)
			freezers[i]->prepare();
	}
}

/* The freezer that was asked for, or the first that works. After -ENOTRECOVERABLE the task is not to be used. */
static int freeze(struct frozen *f)
{
	int i, ret = -ENOTSUP;

	for (i = 0; freezers[i]; i++) {
		if (!works[i])
			continue;
		ret = freeze_with(f, freezers[i]);
		if (!ret || ret == -ENOTRECOVERABLE)
			return ret;
		log_info("%d: cannot be frozen with %s: %s\n", f->args.pid, freezers[i]->name, strerror(-ret));
	}
	return f->asked ? ret : -ENOTSUP;
}

/* Where the list has the one of that pid, or its end. */
static struct frozen **find(int pid)
{
	struct frozen **p = &all;

	while (*p && (*p)->args.pid != pid)
		p = &(*p)->next;
	return p;
}

/* The one of that pid, taken out of the list, or NULL. */
static struct frozen *take(int pid)
{
	struct frozen **p = find(pid), *f = *p;

	if (f)
		*p = f->next;
	return f;
}

static void put(struct frozen *f)
{
	f->next = all;
	all = f;
}

static int new_task(const struct cr_plugin_protect_mem *args, const struct live_task *how, struct frozen **f)
{
	int ret = frozen_new(args, how->image_dir, f);

	if (!ret) {
		(*f)->armed = how->armed;
		(*f)->cgroup_frozen = how->cgroup_frozen;
		(*f)->asked = one_asked_for;
	}
	return ret;
}

/* The same for one whose pages are not listed yet. */
static int new_unlisted(const struct cr_plugin_clone_mem *args, const struct live_task *how, struct frozen **f)
{
	const struct cr_plugin_protect_mem protect = {
		.pid = args->pid,
		.syscall_ip = args->syscall_ip,
		.vmas = args->vmas,
		.nr_vmas = args->nr_vmas,
	};

	return new_task(&protect, how, f);
}

/*
 * Begins with live_clone(). The task may not be used until that is called, or live_end(). See
 * CR_PLUGIN_HOOK__CLONE_MEM_BEGIN. Returns 0; -ENOTSUP when there is nothing to begin with, and the task is as
 * before; or -ENOTRECOVERABLE, and the dump fails.
 */
int live_clone_begin(const struct cr_plugin_clone_mem *args, const struct live_task *how)
{
	struct frozen *f;
	int i, ret;

	for (i = 0; freezers[i] && !works[i]; i++)
		;
	if (!freezers[i] || !freezers[i]->begin)
		return -ENOTSUP;
	ret = new_unlisted(args, how, &f);
	if (!ret)
		ret = freezers[i]->begin(f);
	if (ret) {
		if (f)
			frozen_free(f);
		return ret == -ENOTRECOVERABLE ? ret : -ENOTSUP;
	}
	f->freezer = freezers[i];
	put(f);
	return 0;
}

/*
 * Freezes a stopped task of which it is not known yet which pages there are: then who looks
 * for them sees as well which are frozen. See CR_PLUGIN_HOOK__CLONE_MEM.
 *
 * Returns 0 when there is a process that tells what there is to know of them when the task runs
 * again; -ENOTSUP, after which live_scan() is asked for them, and live_protect() does what
 * else is possible; or -ENOTRECOVERABLE, and the dump fails.
 */
int live_clone(struct cr_plugin_clone_mem *args, const struct live_task *how)
{
	struct frozen *f = take(args->pid);
	int ret = f ? 0 : new_unlisted(args, how, &f);

	if (!ret)
		ret = freeze(f);
	if (ret) {
		log_info("%d: it is not frozen before its pages are listed: %s\n", args->pid, strerror(-ret));
		if (f)
			frozen_free(f);
		return ret == -ENOTRECOVERABLE ? ret : -ENOTSUP;
	}
	put(f);
	if (!f->freezer->whole)
		frozen_look_aside(f);
	if (f->clone)
		args->clone_pid = f->clone->child;
	return f->cloned ? 0 : -ENOTSUP;
}

/*
 * Which pages a task has that was frozen before they are listed. See CR_PLUGIN_HOOK__SCAN_MEM.
 * Returns the number of regions; or -ENOTSUP, and the kernel is to be asked.
 */
int live_scan(int pid, struct pm_scan_arg *arg)
{
	struct frozen *f = *find(pid);

	return f && !f->listed && !f->freezer->whole ? frozen_scan(f, arg) : -ENOTSUP;
}

/*
 * The list that was read from the child is good if its memory is still there: then it was all
 * the time. Of memory that the kernel takes back from a child that it kills, for want of it,
 * PAGEMAP_SCAN says that there are no pages, until it is gone as a whole; reading it fails.
 */
static int check_clone(const struct frozen *f)
{
	char byte;

	return pread(f->mem, &byte, 1, f->args.syscall_ip) == 1 ? 0 : -ESRCH;
}

/* Freezes it, if that has not been done yet, and copies what is not frozen. */
static int protect(struct frozen *f, const struct cr_plugin_protect_mem *args)
{
	int ret = frozen_list(f, args);

	if (!ret && !f->freezer)
		ret = freeze(f);
	if (ret)
		return ret;
	if (f->cloned)
		return check_clone(f);
	ret = frozen_save_rest(f);
	if (!ret && f->freezer->serve)
		ret = f->freezer->serve(f);
	if (!ret || f->error || f->asked)
		return ret;
	/* Memory can be read, and the file written: criu copies it while the task is stopped. */
	log_info("%d: cannot be frozen with %s: %s\n", f->args.pid, f->freezer->name, strerror(-ret));
	return -ENOTSUP;
}

/*
 * Sees to it that what the pages of a stopped task contain can be read later, with
 * live_read(). See CR_PLUGIN_HOOK__PROTECT_MEM.
 *
 * Returns 0; -ENOTSUP when none of the freezers can; another -errno, with the reason
 * logged, after which the task is as before.
 */
int live_protect(const struct cr_plugin_protect_mem *args, const struct live_task *how)
{
	struct frozen *f = take(args->pid);
	int ret = 0;

	if (!f)
		ret = new_task(args, how, &f);
	if (!ret)
		ret = protect(f, args);
	if (ret) {
		if (ret == -ENOTSUP)
			log_warn("%d: its memory cannot be frozen; it is copied while the task is stopped\n",
				 args->pid);
		else
			log_err("%d: its memory cannot be kept: %s%s\n", args->pid, strerror(-ret),
				ret == -ENOTRECOVERABLE ? "" : "; the task is as before");
		if (f && f->freezer)
			unfreeze(f);
		if (f)
			frozen_free(f);
		return ret;
	}
	log_info("%d: %llu pages frozen with %s, %llu copied\n", args->pid,
		 (unsigned long long)(f->nr_pages - f->counts.copied_frozen), f->freezer->name,
		 (unsigned long long)f->counts.copied_frozen);
	put(f);
	return 0;
}

/* Gives out @nr pages, all of one kind. */
static int deliver_run(struct frozen *f, bool saved, uint64_t page, uint64_t addr, uint64_t nr, void *buf)
{
	int ret;

	if (saved)
		return frozen_read_saved(f, page, nr, buf);
	ret = frozen_read(f, addr, nr, buf);
	if (ret) {
		frozen_fail(f, ret, addr);
		return ret;
	}
	f->counts.copied_behind += nr;
	return 0;
}

/* Opens the first pages of those that were read, up to @end. */
static void thaw_behind(struct frozen *f, uint64_t end)
{
	while (f->behind_start < end) {
		bool saved = frozen_is_saved(f, f->behind_page);
		uint64_t start = f->behind_start;

		do {
			f->behind_start += PAGE_BYTES;
			f->behind_page++;
		} while (f->behind_start < end && frozen_is_saved(f, f->behind_page) == saved);
		/* The others were opened when they were saved, or never closed. */
		if (!saved)
			f->freezer->open(f, start, f->behind_start);
	}
}

/* These pages were read. They are opened by whole huge pages, if need be later. */
static void leave_behind(struct frozen *f, uint64_t page, uint64_t start, uint64_t end)
{
	/* What is still closed in the end is what the task did not use. */
	if (!f->freezer->open || f->tracked)
		return;
	if (start != f->behind_end) {
		thaw_behind(f, f->behind_end);
		f->behind_page = page;
		f->behind_start = start;
	}
	f->behind_end = end;
	thaw_behind(f, end & ~(HUGE_BYTES - 1));
}

/* The next @nr pages, which are at @addr. */
static int deliver(struct frozen *f, uint64_t addr, uint64_t nr, char *buf)
{
	uint64_t page = f->next_page, end = page + nr, start = addr;

	if (f->error)
		return f->error;
	while (page < end) {
		bool saved = frozen_is_saved(f, page);
		uint64_t n = 1;
		int ret;

		while (page + n < end && frozen_is_saved(f, page + n) == saved)
			n++;
		ret = deliver_run(f, saved, page, addr, n, buf);
		if (ret)
			return ret;
		page += n;
		addr += n * PAGE_BYTES;
		buf += n * PAGE_BYTES;
	}
	leave_behind(f, f->next_page, start, addr);
	f->next_page = end;
	return 0;
}

/*
 * An upper limit of the wait, in us, that @percent of all did not exceed. @waits: how many
 * there were in each of @nr buckets, see WAIT_BUCKETS; @max_us: the longest.
 */
uint64_t live_wait_us(const uint64_t *waits, size_t nr, uint64_t max_us, unsigned int percent)
{
	uint64_t all = 0, sum = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		all += waits[i];
	for (i = 0; i + 1 < nr; i++) {
		sum += waits[i];
		if (sum * 100 >= all * percent)
			break;
	}
	return 1ull << i < max_us ? 1ull << i : max_us;
}

static void tell(const struct frozen *f)
{
	const struct live_counts *c = &f->counts;

	if (f->error == -ESTALE && f->freezer->whole)
		log_err("%d: pages that it had changed in a private mapping of a file are gone: somebody has truncated "
			"the file. The task runs on; dump it again\n",
			f->args.pid);
	else if (f->error == -ESTALE)
		log_err("%d: the page at %#llx was unmapped, moved or discarded before it was saved. The task runs on; "
			"dump it again, with \"freeze = fork\", which copes with that\n",
			f->args.pid, (unsigned long long)f->error_addr);
	else if (f->error == -ESRCH)
		log_err("%d: has ended, or its memory was replaced, before all of it was saved\n", f->args.pid);
	else if (f->error)
		log_err("%d: memory at %#llx cannot be saved: %s. The task runs on\n", f->args.pid,
			(unsigned long long)f->error_addr, strerror(-f->error));
	log_info("%d: %llu pages: %llu copied while stopped, %llu because of a fault, %llu behind; %llu faults, waits: "
		 "half up to %llu us, 99 of 100 up to %llu us, all up to %llu us\n",
		 f->args.pid, (unsigned long long)f->nr_pages, (unsigned long long)c->copied_frozen,
		 (unsigned long long)c->copied_fault, (unsigned long long)c->copied_behind,
		 (unsigned long long)c->faults,
		 (unsigned long long)live_wait_us(c->waits, WAIT_BUCKETS, c->wait_max_us, 50),
		 (unsigned long long)live_wait_us(c->waits, WAIT_BUCKETS, c->wait_max_us, 99),
		 (unsigned long long)c->wait_max_us);
}

/* Ends it for a task. The counts, and what went wrong, can be had until live_end(). */
static void end_task(struct frozen *f)
{
	if (f->ended)
		return;
	unfreeze(f);
	f->ended = true;
	tell(f);
}

/* Whether what was read was right. */
static void verify(struct frozen *f)
{
	int ret = frozen_check_saved(f);

	if (!ret && f->freezer->verify)
		ret = f->freezer->verify(f);
	if (ret)
		frozen_fail(f, ret, 0);
}

/*
 * Fills a buffer with what pages contained when they were frozen. Pages are asked for
 * once, in the order in which live_protect() got them; after the last one the task is
 * left alone. See CR_PLUGIN_HOOK__READ_MEM.
 *
 * Returns 0; -ENOTSUP for a task that is not frozen; -ESTALE when a page is lost; another
 * -errno. The reason is logged by live_end().
 */
int live_read(const struct cr_plugin_read_mem *args)
{
	struct frozen *f = *find(args->pid);
	char *buf = args->buf;
	size_t i;
	int ret = 0;

	if (!f)
		return -ENOTSUP;
	if (!f->next_page && f->freezer->ready) {
		ret = f->freezer->ready(f);
		if (ret)
			frozen_fail(f, ret, 0);
	}
	for (i = 0; i < args->nr_iovs && !ret; i++) {
		uint64_t addr = (uintptr_t)args->iovs[i].iov_base, left = args->iovs[i].iov_len / PAGE_BYTES;

		while (left && !ret) {
			uint64_t n = left < STEP_PAGES ? left : STEP_PAGES;

			lock(f);
			ret = deliver(f, addr, n, buf);
			unlock(f);
			addr += n * PAGE_BYTES;
			buf += n * PAGE_BYTES;
			left -= n;
		}
	}
	if (!ret && f->next_page == f->nr_pages) {
		lock(f);
		thaw_behind(f, f->behind_end);
		unlock(f);
		verify(f);
		end_task(f);
		ret = f->error;
	}
	return ret;
}

/* Leaves all tasks alone, whether or not they have been read, and says what was. */
void live_end(void)
{
	struct frozen *f;

	for (f = all; f; f = f->next)
		end_task(f);
	while ((f = all)) {
		all = f->next;
		frozen_free(f);
	}
	reaper_end();
}
