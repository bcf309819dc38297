// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freezing with userfaultfd: pages stay where they are, and whoever wants to use one
 * (deactivate), or write to one (wp), waits until it has been saved: faults.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "faults.h"
#include "freezer.h"
#include "host.h"
#include "image.h"
#include "inject.h"
#include "page.h"
#include "proc.h"
#include "task.h"
#include "uapi.h"

/* Of errors that user space does not see: a system call is made again, in include/linux/errno.h. */
#define ERESTART_FIRST 512
#define ERESTART_LAST  516

/*
 * Whether a thread is in, or about to go back to, a system call that waits for a mutex with
 * priority inheritance. The kernel looks at that mutex where it cannot wait for a page, in
 * fault_in_user_writeable(), and returns EFAULT, which glibc does not take.
 */
static bool waits_for_pi(int tid)
{
	struct user_regs_struct regs;
	long result;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs))
		return false;
	/* criu has mostly set what the kernel would: the number, to be called once more. */
	result = regs.rax;
	if (result != SYS_futex &&
	    ((long)regs.orig_rax != SYS_futex || result < -ERESTART_LAST || result > -ERESTART_FIRST))
		return false;
	switch (regs.rsi & FUTEX_CMD_MASK) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_WAIT_REQUEUE_PI:
		return true;
	default:
		return false;
	}
}

/* Whether a task's pages can be made to be waited for. Returns 0, or -errno with the reason logged. */
static int check_threads(const struct frozen *f)
{
	struct dirent *e;
	char path[32];
	int ret = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", f->args.pid);
	d = opendir(path);
	if (!d)
		return -errno;
	while (!ret && (e = readdir(d)))
		if (atoi(e->d_name) && waits_for_pi(atoi(e->d_name)))
			ret = -EPERM;
	closedir(d);
	if (ret)
		host_log(f->asked ? HOST_ERROR : HOST_INFO,
			 "%d: %s cannot freeze it: a thread waits for a mutex with priority inheritance\n", f->args.pid,
			 f->freezer->name);
	return ret;
}

/* Threads that wait for these pages look again. */
static void wake(int uffd, uint64_t start, uint64_t end)
{
	struct uffdio_range range = { .start = start, .len = end - start };

	ioctl(uffd, UFFDIO_WAKE, &range);
}

/*
 * Opens pages. Where they are open, or gone, or not registered any more, there is
 * nothing to open, and only who waits is woken.
 */
static void open_pages(struct frozen *f, uint64_t start, uint64_t end)
{
	while (f->uffd >= 0 && start < end) {
		struct uffdio_continue arg = { .range = { .start = start, .len = end - start } };

		if (!ioctl(f->uffd, UFFDIO_CONTINUE, &arg))
			return;
		if (arg.mapped > 0) {
			start += arg.mapped;
			continue;
		}
		/* A range that is in more than one mapping is refused as a whole. */
		arg.range.len = PAGE_BYTES;
		if (end - start > PAGE_BYTES && !ioctl(f->uffd, UFFDIO_CONTINUE, &arg)) {
			start += PAGE_BYTES;
			continue;
		}
		/*
		 * The task is forking, and goes on when its message is read: by the thread that
		 * may be the one that is here. So whoever waits has to ask again.
		 */
		wake(f->uffd, start, start + PAGE_BYTES);
		start += PAGE_BYTES;
	}
}

/*
 * Opens a page that cannot be: it is gone, or not registered any more. If it looks frozen all the same, then it
 * was not: when mremap() merges memory with what is registered, the kernel may forget all of that (seen on
 * Linux 6.18), and leaves the marks of its pages.
 */
static void open_forgotten(struct frozen *f, uint64_t page)
{
	uint64_t pages;

	if (!scan_matching(f->pagemap, page, page + PAGE_BYTES, &f->freezer->frozen, NULL, &pages) && pages)
		frozen_fail(f, -ESTALE, page);
	wake(f->uffd, page, page + PAGE_BYTES);
}

static void allow_writing(struct frozen *f, uint64_t start, uint64_t end)
{
	int ret;

	do
		ret = tracker_writeprotect(f->uffd, start, end, false);
	while (ret == -EAGAIN);
	if (!ret)
		return;
	/* Parts of it are not there any more. */
	if (end - start > PAGE_BYTES)
		for (; start < end; start += PAGE_BYTES)
			allow_writing(f, start, start + PAGE_BYTES);
	else
		open_forgotten(f, start);
}

static int open_pagemap(struct frozen *f)
{
	f->pagemap = proc_open(f->args.pid, "pagemap", O_RDONLY);
	return f->pagemap < 0 ? f->pagemap : 0;
}

/* Closing the userfaultfd opens all pages. */
static void close_all(struct frozen *f)
{
	if (f->uffd >= 0)
		close(f->uffd);
	if (f->pagemap >= 0)
		close(f->pagemap);
	f->uffd = f->pagemap = f->mem = -1;
}

static int give_up(struct frozen *f, int error)
{
	close_all(f);
	return error;
}

static void end(struct frozen *f)
{
	faults_end(f);
	if (f->tracked && f->uffd >= 0)
		task_keep_tracking(&f->kept, f->uffd);
	close_all(f);
}

/* Calls @fn for all mappings that can be frozen and, as far as is known, have something to freeze. */
static int for_each_mapping(struct frozen *f, int (*fn)(struct frozen *f, const struct cr_plugin_vma *vma))
{
	size_t i, iov = 0;

	for (i = 0; i < f->args.nr_vmas; i++) {
		const struct cr_plugin_vma *vma = &f->args.vmas[i];
		int ret;

		if ((f->listed && frozen_first_listed(f, vma, &iov) == NO_PAGE) || f->freezer->refusal(vma))
			continue;
		ret = fn(f, vma);
		f->covered[i] = !ret;
		/* Left out, it is copied. */
		if (ret == -EBUSY || ret == -EINVAL || ret == -EPERM)
			log_debug("%d: %#lx-%#lx is not frozen: %s\n", f->args.pid, (long)vma->start, (long)vma->end,
				  strerror(-ret));
		else if (ret)
			return ret;
	}
	return 0;
}

/* As the tracker of the same name does. */
static int register_vma(struct frozen *f, const struct cr_plugin_vma *vma)
{
	return tracker_register(tracker_find(f->freezer->name), f->uffd, vma->start, vma->end);
}

/* deactivate: linux-6.12 with kernel/series */

static int probe_deactivate(struct tracker_verdict *v)
{
	return tracker_probe(tracker_find("deactivate"), v);
}

static int open_uffd(int uffd, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	return ioctl(uffd, UFFDIO_API, &api) ? -errno : 0;
}

static int set_async(int uffd, bool on)
{
	struct uffdio_set_mode arg = {
		.enable = on ? UFFD_FEATURE_MINOR_ASYNC : 0,
		.disable = on ? 0 : UFFD_FEATURE_MINOR_ASYNC,
	};

	return ioctl(uffd, UFFDIO_SET_MODE, &arg) ? -errno : 0;
}

/*
 * Ends tracking if the user wants this freezer and no other; not while criu reads which mappings
 * there are: then the kernel may make one of several.
 */
static int make_room(struct frozen *f)
{
	return task_forget_tracking(f->args.pid, f->start_time, f->asked && f->listed);
}

static int close_deactivate(const struct frozen *f, uint64_t start, uint64_t end)
{
	return tracker_find("deactivate")->protect(f->uffd, start, end);
}

/* A userfaultfd of its own, with which pages can be closed. */
static int prepare_deactivate(struct frozen *f)
{
	int ret = make_room(f);

	if (ret)
		return ret;
	f->uffd = inject_userfaultfd(f->args.pid, f->args.syscall_ip);
	if (f->uffd < 0)
		return f->uffd;
	/* Without messages about forks: nobody has to wait for them, and children are open. */
	ret = open_uffd(f->uffd, tracker_find("deactivate")->features);
	return ret ?: for_each_mapping(f, register_vma);
}

/* Whether tracking has closed a mapping. */
static int is_closed(struct frozen *f, const struct cr_plugin_vma *vma)
{
	return tracker_find("deactivate")->is_tracked(f->pagemap, vma->start, vma->end) > 0 ? 0 : -EINVAL;
}

/*
 * When a round of tracking just began all pages are closed already. The keeper must
 * not have the userfaultfd meanwhile: should criu be killed, then everything is open
 * again when the last descriptor is closed.
 */
static int freeze_deactivate(struct frozen *f)
{
	int ret = check_threads(f) ?: open_pagemap(f);

	f->mem = f->origin;
	if (!ret && f->armed) {
		f->uffd = task_take_tracking(f->args.pid, f->start_time, &f->kept);
		ret = f->uffd < 0 ? f->uffd : for_each_mapping(f, is_closed);
		f->tracked = !ret;
	} else if (!ret) {
		ret = prepare_deactivate(f);
	}
	if (!ret)
		ret = set_async(f->uffd, false);
	return ret ? give_up(f, ret) : 0;
}

/* Who waits is woken; what is still closed is what the task did not use. */
static void end_deactivate(struct frozen *f)
{
	if (f->tracked && f->uffd >= 0 && set_async(f->uffd, true))
		f->tracked = false;
	end(f);
}

const struct freezer freezer_deactivate = {
	.name = "deactivate",
	.probe = probe_deactivate,
	.refusal = vma_refusal,
	.freeze = freeze_deactivate,
	.close = close_deactivate,
	/*
	 * A page that is moved, or took the place of another, is open; but then mprotect() to nothing and back
	 * closes it. So all that was closed at first is write-protected, too: a page that came later is not.
	 */
	.frozen = { .inverted = PAGE_IS_WRITTEN, .mask = PAGE_IS_UFFD_DEACTIVATED | PAGE_IS_WRITTEN },
	.closed = { .mask = PAGE_IS_UFFD_DEACTIVATED, .flags = PM_SCAN_WP_MATCHING },
	.may_tear = true,
	.open = open_pages,
	.serve = faults_begin,
	.lock = faults_lock,
	.unlock = faults_unlock,
	.end = end_deactivate,
};

/* wp: Linux 6.7, where PAGEMAP_SCAN shows what is write-protected */

/*
 * Whether a protected page that is moved does not look protected any more. Kernels before
 * Linux 6.13 may keep the protection, and Linux 7.3 says of no page in a mapping that is not
 * registered that it was written. It would look frozen at its new place, where nobody is
 * asked before a write. Returns 1, 0 or -errno.
 */
static int moved_pages_show(int uffd, int pagemap)
{
	char *from = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *to = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *moved = MAP_FAILED;
	uint64_t pages = 0;
	int ret = -ENOMEM;

	if (from != MAP_FAILED && to != MAP_FAILED) {
		*from = 1;
		ret = tracker_register(tracker_find("wp"), uffd, (uintptr_t)from, (uintptr_t)from + PAGE_BYTES)
			      ?: tracker_writeprotect(uffd, (uintptr_t)from, (uintptr_t)from + PAGE_BYTES, true);
		if (!ret)
			moved = mremap(from, PAGE_BYTES, PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		if (!ret && moved == MAP_FAILED)
			ret = -errno;
		if (!ret)
			ret = scan_matching(pagemap, (uintptr_t)to, (uintptr_t)to + PAGE_BYTES, &freezer_wp.frozen,
					    NULL, &pages);
	}
	if (from != MAP_FAILED && moved == MAP_FAILED)
		munmap(from, PAGE_BYTES);
	if (to != MAP_FAILED)
		munmap(to, PAGE_BYTES);
	return ret ?: !pages;
}

static int probe_wp(struct tracker_verdict *v)
{
	int ret = tracker_probe(tracker_find("wp"), v), dev, uffd, pagemap;

	if (ret)
		return ret;
	dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	uffd = dev < 0 ? -1 : ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (uffd < 0 || pagemap < 0 || open_uffd(uffd, UFFD_FEATURE_PAGEFAULT_FLAG_WP))
		ret = -EOPNOTSUPP;
	else
		ret = moved_pages_show(uffd, pagemap);
	if (ret < 1)
		snprintf(v->reason, sizeof(v->reason), "mremap() does not end write-protection, or cannot be tried");
	if (dev >= 0)
		close(dev);
	if (uffd >= 0)
		close(uffd);
	if (pagemap >= 0)
		close(pagemap);
	return ret == 1 ? 0 : ret ?: -EOPNOTSUPP;
}

static int close_wp(const struct frozen *f, uint64_t start, uint64_t end)
{
	return tracker_writeprotect(f->uffd, start, end, true);
}

static int freeze_wp(struct frozen *f)
{
	int ret = check_threads(f) ?: open_pagemap(f);

	f->mem = f->origin;
	/* What the kernel was asked to read into a page it writes there in spite of the protection. */
	if (!ret && has_aio(f->args.vmas, f->args.nr_vmas))
		ret = -EOPNOTSUPP;
	/* It would be refused on all that is tracked. */
	if (!ret)
		ret = make_room(f);
	if (!ret) {
		f->uffd = inject_userfaultfd(f->args.pid, f->args.syscall_ip);
		ret = f->uffd < 0 ? f->uffd : open_uffd(f->uffd, UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	}
	if (!ret)
		ret = for_each_mapping(f, register_vma);
	return ret ? give_up(f, ret) : 0;
}

const struct freezer freezer_wp = {
	.name = "wp",
	.probe = probe_wp,
	.refusal = vma_refusal,
	.freeze = freeze_wp,
	.close = close_wp,
	.frozen = {
		.inverted = PAGE_IS_WRITTEN,
		.mask = PAGE_IS_WRITTEN,
		.anyof = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	},
	.may_tear = true,
	.open = allow_writing,
	.serve = faults_begin,
	.lock = faults_lock,
	.unlock = faults_unlock,
	.end = end,
};
