// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A round begins when a task's pages are armed and ends when they are asked. The
 * answer "not written" means: not written since the images of that time were made.
 * It may only be believed if the parent images are those, so each round has a random
 * id that is kept both in the images and by the keeper, and has to match. Whatever
 * goes wrong in between, a crash, a full disk, a pre-dump that failed, other parent
 * images, leaves two ids that differ, and everything is dumped.
 *
 * Asking and arming is one walk per mapping. For each mapping:
 *
 *	is it armed?	the kernel says so: it is registered, and with our userfaultfd.
 *			New mappings are not, nor those that mremap() moved.
 *	register	a no-op if it is; EBUSY if it is somebody else's: left alone.
 *	scan and arm	"written" of the last round is read and reset at once.
 *	deactivate	after it, since write-protecting is what must not be missed.
 *
 * The last dump of a task only asks. So it can fail and be repeated.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "criu-log.h"
#include "image.h"
#include "util.h"

#include "inject.h"
#include "keeper.h"
#include "task.h"

#undef LOG_PREFIX
#define LOG_PREFIX "frazil: "

#ifndef FRAZILD
#define FRAZILD "/usr/libexec/frazil/frazild"
#endif

static_assert(sizeof(((struct task *)0)->round) == ROUND_ID_BYTES, "one round id, one size");

/*
 * Why a mapping is never tracked, or NULL. Its pages count as written and hot.
 *
 * Not file-private mappings: MADV_DONTNEED leaves a marker there that reads as an
 * unwritten page of which the content is gone. Not unreadable ones: criu's pre-dump
 * may skip them, and the page would be missing in the parent images.
 */
const char *vma_refusal(const struct cr_plugin_vma *vma)
{
	if (!(vma->status & VMA_AREA_REGULAR))
		return "special mapping";
	if (vma->status & (VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL | VMA_AREA_AIORING | VMA_AREA_SYSVIPC |
			   VMA_AREA_SOCKET | VMA_AREA_SHSTK))
		return "special mapping";
	if (vma->flags & MAP_HUGETLB)
		return "hugetlb";
	if (vma->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED))
		return "file mapping";
	if (!(vma->status & VMA_ANON_PRIVATE))
		return "shared memory";
	if (!(vma->prot & PROT_READ))
		return "not readable";
	return NULL;
}

static int open_pagemap(int pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Connects to the keeper; with @start it is started if none is running. */
static int keeper_get(bool start)
{
	char *argv[] = { "frazild", NULL };
	int sock = keeper_connect();

	if (!start || (sock != -ENOENT && sock != -ECONNREFUSED))
		return sock;
	/* criu's own way to run a program while it waits for tasks */
	if (cr_system(-1, -1, -1, FRAZILD, argv, 0))
		return -ECHILD;
	return keeper_connect();
}

/* The task's userfaultfd from the keeper, or -1; and the id of its round. */
static int fetch_uffd(int keeper, const struct task *t, struct keeper_msg *msg)
{
	int uffd, ret;

	*msg = (struct keeper_msg){ .op = KEEPER_GET, .pid = t->pid, .start_time = t->start_time };
	ret = keeper_call(keeper, msg, -1, &uffd);
	if (ret && ret != -ENOENT)
		pr_warn("The keeper does not answer for %d: %s\n", t->pid, strerror(-ret));
	return ret ? -1 : uffd;
}

static int store_uffd(int keeper, const struct task *t, const struct tracker *tracker, int uffd)
{
	struct keeper_msg msg = {
		.op = KEEPER_PUT,
		.pid = t->pid,
		.start_time = t->start_time,
		.since_s = time(NULL),
	};

	memcpy(msg.round, t->round, sizeof(msg.round));
	snprintf(msg.tracker, sizeof(msg.tracker), "%s", tracker->name);
	return keeper_call(keeper, &msg, uffd, NULL);
}

static int make_uffd(const struct tracker *tracker, const struct cr_plugin_track_mem *args)
{
	int ret, uffd = inject_userfaultfd(args->pid, args->syscall_ip);

	if (uffd < 0)
		return uffd;
	ret = tracker_open(tracker, uffd);
	if (ret) {
		close(uffd);
		return ret;
	}
	return uffd;
}

/* Asks one mapping, and arms it if the task runs on. Errors cost precision only. */
static void walk_vma(struct task *t, const struct tracker *tracker, int uffd, int pagemap,
		     const struct cr_plugin_vma *vma, bool arm, bool asked)
{
	struct page_counts counts = {};
	int ret;

	ret = scan_pages(pagemap, vma->start, vma->end, arm, asked ? &t->known : NULL, &counts);
	if (ret)
		pr_warn("%d: cannot scan %#lx-%#lx: %s; taken as written\n", t->pid, (long)vma->start, (long)vma->end,
			strerror(-ret));
	if (!asked) {
		counts.written = counts.hot = counts.scanned;
		counts.cold = 0;
	}
	t->counts.scanned += counts.scanned;
	t->counts.written += counts.written;
	t->counts.hot += counts.hot;
	t->counts.cold += counts.cold;

	if (arm && tracker->deactivate) {
		ret = tracker->deactivate(uffd, vma->start, vma->end);
		if (ret)
			pr_warn("%d: cannot deactivate %#lx-%#lx: %s; taken as used\n", t->pid, (long)vma->start,
				(long)vma->end, strerror(-ret));
	}
}

/*
 * Walks all mappings. Returns 0, or -ESTALE when @uffd turns out to belong to
 * another mm: the task has called execve().
 */
static int walk_task(struct task *t, const struct tracker *tracker, int uffd, int pagemap,
		     const struct cr_plugin_track_mem *args)
{
	bool verified = false;
	size_t i;

	for (i = 0; i < args->nr_vmas; i++) {
		const struct cr_plugin_vma *vma = &args->vmas[i];
		const char *reason = vma_refusal(vma);
		bool asked;
		int ret;

		asked = !reason && t->has_parent && scan_is_tracked(pagemap, vma->start);
		/* Left out, a mapping is taken for one that was asked: a hint that is less exact. */
		if (!asked)
			run_set_add(&t->untracked, vma->start, vma->end, 0);
		if (reason) {
			t->vmas_untracked++;
			pr_debug("%d: %#lx-%#lx not tracked: %s\n", t->pid, (long)vma->start, (long)vma->end, reason);
			continue;
		}
		if (!asked && !args->runs_on) {
			t->vmas_untracked++;
			continue;
		}
		ret = tracker_register(tracker, uffd, vma->start, vma->end);
		if (!ret && !verified && !scan_is_tracked(pagemap, vma->start))
			ret = -ESTALE;
		if (!verified && (ret == -ESRCH || ret == -ENOMEM || ret == -ESTALE))
			return -ESTALE;
		if (ret) {
			t->vmas_untracked++;
			pr_debug("%d: %#lx-%#lx not tracked: %s\n", t->pid, (long)vma->start, (long)vma->end,
				 strerror(-ret));
			continue;
		}
		verified = true;
		t->vmas_tracked++;
		walk_vma(t, tracker, uffd, pagemap, vma, args->runs_on, asked);
	}

	return 0;
}

static bool same_round(const struct task *t, const struct keeper_msg *kept, const FrazilRounds *parent)
{
	const FrazilTask *p = rounds_find(parent, t->pid, t->start_time);

	return p && p->has_round && p->round.len == ROUND_ID_BYTES &&
	       !memcmp(p->round.data, kept->round, ROUND_ID_BYTES);
}

/*
 * Gets hold of the task's userfaultfd: the keeper's, or a new one when the task
 * runs on. Decides whether what the last round found may be believed.
 *
 * Returns the descriptor or -errno; -ENOENT when there is nothing to ask.
 */
static int get_uffd(struct task *t, const struct tracker *tracker, int keeper, const FrazilRounds *parent,
		    const struct cr_plugin_track_mem *args)
{
	struct keeper_msg kept;
	int uffd = keeper < 0 ? -1 : fetch_uffd(keeper, t, &kept);

	t->has_parent = uffd >= 0 && same_round(t, &kept, parent);
	if (parent && !t->has_parent)
		pr_warn("%d: %s; all of its memory is dumped\n", t->pid,
			uffd < 0 ? "not tracked since the parent images (was the keeper killed?)"
				 : "tracked relative to other images than the parent ones");
	if (uffd >= 0 && (t->has_parent || args->runs_on))
		return uffd;
	if (uffd >= 0)
		close(uffd);
	return args->runs_on ? make_uffd(tracker, args) : -ENOENT;
}

/* walk_task(), once more with a new userfaultfd if *@uffd is of a mm that was left. */
static int walk_current(struct task *t, const struct tracker *tracker, int pagemap, int *uffd,
			const struct cr_plugin_track_mem *args)
{
	int ret = walk_task(t, tracker, *uffd, pagemap, args);

	if (ret != -ESTALE)
		return ret;

	pr_info("%d: runs another program now\n", t->pid);
	close(*uffd);
	*uffd = -1;
	t->has_parent = false;
	if (!args->runs_on)
		return -ENOENT;
	*uffd = make_uffd(tracker, args);
	if (*uffd < 0)
		return *uffd;
	return walk_task(t, tracker, *uffd, pagemap, args);
}

static int begin_round(struct task *t, const struct tracker *tracker, int keeper, int uffd)
{
	int ret;

	if (getrandom(t->round, sizeof(t->round), 0) != sizeof(t->round))
		return -EIO;
	ret = store_uffd(keeper, t, tracker, uffd);
	t->armed = !ret;
	return ret;
}

/*
 * Ends the last round of a stopped task and, if it runs on, begins the next.
 * @parent: rounds file of the parent images, or NULL.
 *
 * Returns 0 when @t says what is known; -ENOTSUP, with the reason logged, when the
 * task is not tracked and criu's own tracking has to do.
 */
int task_track(struct task *t, const struct tracker *tracker, const FrazilRounds *parent,
	       const struct cr_plugin_track_mem *args)
{
	int keeper = -1, pagemap = -1, uffd = -1, ret;

	t->pid = args->pid;
	ret = task_start_time(t->pid, &t->start_time);
	if (ret)
		goto out;
	ret = keeper = keeper_get(args->runs_on);
	/* When nothing is to be kept, a keeper that is not there is one that keeps nothing. */
	if (keeper < 0 && (args->runs_on || (keeper != -ENOENT && keeper != -ECONNREFUSED)))
		goto out;
	ret = pagemap = open_pagemap(t->pid);
	if (pagemap < 0)
		goto out;
	ret = uffd = get_uffd(t, tracker, keeper, parent, args);
	if (uffd < 0)
		goto out;
	ret = walk_current(t, tracker, pagemap, &uffd, args);
	if (!ret && args->runs_on)
		ret = begin_round(t, tracker, keeper, uffd);
out:
	if (ret < 0 && ret != -ENOENT)
		pr_warn("%d: cannot be tracked: %s; criu's own tracking is used\n", t->pid, strerror(-ret));
	if (uffd >= 0)
		close(uffd);
	if (pagemap >= 0)
		close(pagemap);
	if (keeper >= 0)
		close(keeper);
	return ret < 0 ? -ENOTSUP : 0;
}

void task_fini(struct task *t)
{
	run_set_fini(&t->known);
	run_set_fini(&t->untracked);
}
