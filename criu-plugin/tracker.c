// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "page.h"
#include "scan.h"
#include "tracker.h"
#include "uapi.h"

#define PROBE_PAGES 3
#define PROBE_BYTES (PROBE_PAGES * PAGE_BYTES)

static int uffd_deactivate(int uffd, uint64_t start, uint64_t end)
{
	struct uffdio_range range = { .start = start, .len = end - start };

	return ioctl(uffd, UFFDIO_DEACTIVATE, &range) ? -errno : 0;
}

static int rwprotect(int uffd, uint64_t start, uint64_t end, bool on)
{
	struct uffdio_rwprotect arg = {
		.range = { .start = start, .len = end - start },
		.mode = on ? UFFDIO_RWPROTECT_MODE_RWP : 0,
	};

	return ioctl(uffd, UFFDIO_RWPROTECT, &arg) ? -errno : 0;
}

/* UFFDIO_WRITEPROTECT: protects all of [start, end), or lets it be written again. Returns 0 or -errno. */
int tracker_writeprotect(int uffd, uint64_t start, uint64_t end, bool on)
{
	struct uffdio_writeprotect arg = {
		.range = { .start = start, .len = end - start },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &arg) ? -errno : 0;
}

static int uffd_rwprotect(int uffd, uint64_t start, uint64_t end)
{
	return rwprotect(uffd, start, end, true);
}

/*
 * Whether protecting a page with @uffd shows in the mm that @pagemap_fd is of. Only
 * pages are tried that look written or used: should one be in fact in between, then
 * that is what it looks like anyway.
 */
static int shows(int uffd, int pagemap_fd, uint64_t start, uint64_t end, uint64_t category,
		 int (*protect)(int uffd, uint64_t start, uint64_t end, bool on))
{
	uint64_t page, same;
	int shown;

	if (scan_find(pagemap_fd, start, end, PAGE_IS_PRESENT | category, &page) != 1)
		return -1;
	if (protect(uffd, page, page + PAGE_BYTES, true))
		return 0;
	shown = scan_find(pagemap_fd, page, page + PAGE_BYTES, category, &same) == 0;
	protect(uffd, page, page + PAGE_BYTES, false);
	return shown;
}

static int writeprotect_is_of(int uffd, int pagemap_fd, uint64_t start, uint64_t end)
{
	return shows(uffd, pagemap_fd, start, end, PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN, tracker_writeprotect);
}

static int rwprotect_is_of(int uffd, int pagemap_fd, uint64_t start, uint64_t end)
{
	return shows(uffd, pagemap_fd, start, end, PAGE_IS_ACCESSED, rwprotect);
}

/* Documentation/admin-guide/mm/soft-dirty.rst: "4" resets the soft-dirty bits of all of @pid. Returns 0 or -errno. */
int tracker_reset_soft_dirty(int pid)
{
	char path[32];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "4", 1) != 1)
		ret = -errno;
	close(fd);
	return ret;
}

/* Of what is there UFFDIO_DEACTIVATE leaves alone what is pinned for DMA. */
static int unmark_pinned(int uffd, int pagemap_fd, uint64_t start, uint64_t end)
{
	static const struct scan_filter pinned = {
		.inverted = PAGE_IS_UFFD_DEACTIVATED | PAGE_IS_PFNZERO,
		.mask = PAGE_IS_PRESENT | PAGE_IS_UFFD_DEACTIVATED | PAGE_IS_PFNZERO,
	};
	struct run_set found = {};
	uint64_t pages;
	size_t i;
	int ret = scan_matching(pagemap_fd, start, end, &pinned, &found, &pages);

	for (i = 0; i < found.nr && !ret; i++)
		ret = tracker_writeprotect(uffd, found.v[i].start, found.v[i].end, false);
	run_set_fini(&found);
	return ret;
}

/* linux-6.12 with kernel/series */
static const struct tracker deactivate = {
	.name = "deactivate",
	.tells = "pages written and pages used, exactly",
	.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_MINOR_ANON | UFFD_FEATURE_MINOR_ASYNC,
	.register_mode = UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR,
	.tells_used = true,
	.is_tracked = scan_is_wp_async,
	.is_of = writeprotect_is_of,
	.scan = scan_deactivated,
	.protect = uffd_deactivate,
	.unmark_pinned = unmark_pinned,
};

/*
 * Linux 7.3. A mapping is either write-protected or read-write-protected there, so
 * soft-dirty has to tell what was written. "Used" cannot stand for it where there is
 * none: criu's own reading is a use, and what was dumped once would be for ever.
 */
static const struct tracker rwp = {
	.name = "rwp",
	.tells = "pages written, by soft-dirty, and pages used, those that are dumped among them",
	.features = UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC,
	.register_mode = UFFDIO_REGISTER_MODE_RWP,
	.tells_used = true,
	.reads_are_use = true,
	.is_tracked = scan_is_rwp,
	.is_of = rwprotect_is_of,
	.scan = scan_soft_dirty,
	.reset = tracker_reset_soft_dirty,
	.protect = uffd_rwprotect,
};

/* Linux 6.7 */
static const struct tracker wp = {
	.name = "wp",
	.tells = "pages written, exactly; nothing about use",
	.features = UFFD_FEATURE_WP_ASYNC,
	.register_mode = UFFDIO_REGISTER_MODE_WP,
	.misses_dma = true,
	.is_tracked = scan_is_wp_async,
	.is_of = writeprotect_is_of,
	.scan = scan_written,
};

/* In the order in which they are tried. */
const struct tracker *const trackers[] = { &deactivate, &rwp, &wp, NULL };

static int __attribute__((format(printf, 3, 4))) refuse(struct tracker_verdict *v, int err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(v->reason, sizeof(v->reason), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(v->reason))
		snprintf(v->reason + n, sizeof(v->reason) - n, ": %s", strerror(err));
	return -err;
}

/*
 * Makes a fresh userfaultfd ready for tracker @t.
 *
 * Returns 0 or -errno; -EINVAL when the kernel lacks one of the features.
 */
int tracker_open(const struct tracker *t, int uffd)
{
	/* So that children that are forked are tracked as well; see frazild.c. */
	struct uffdio_api api = { .api = UFFD_API, .features = t->features | UFFD_FEATURE_EVENT_FORK };

	return ioctl(uffd, UFFDIO_API, &api) ? -errno : 0;
}

/*
 * Registers [start, end), which has to lie within one mapping. Repeating it is
 * harmless.
 *
 * Returns 0; -EBUSY when another userfaultfd has it; -EINVAL or -EPERM for memory
 * that cannot be registered; -ESRCH or -ENOMEM when the mm is gone.
 */
int tracker_register(const struct tracker *t, int uffd, uint64_t start, uint64_t end)
{
	struct uffdio_register reg = {
		.range = { .start = start, .len = end - start },
		.mode = t->register_mode,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

/* Ends tracking of [start, end): all of its pages are as if they had just been written. */
void tracker_unregister(int uffd, uint64_t start, uint64_t end)
{
	struct uffdio_range range = { .start = start, .len = end - start };

	ioctl(uffd, UFFDIO_UNREGISTER, &range);
}

/*
 * A page that mremap() moved is new where it is now. Kernels before Linux 6.12.11 keep its
 * protection (CVE-2025-21696), although no write ends that at the new place: it would look
 * clean for ever when that is tracked as well.
 */
static int probe_move(const struct tracker *t, int uffd, int pagemap, char *page, struct tracker_verdict *v)
{
	char *to = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = (uintptr_t)to, end = start + PAGE_BYTES;
	struct findings moved = {};
	int ret;

	if (to == MAP_FAILED)
		return refuse(v, errno, "no memory for a probe");
	if (mremap(page, PAGE_BYTES, PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		ret = -errno;
	else
		ret = tracker_register(t, uffd, start, end);
	if (!ret)
		ret = t->scan(pagemap, start, end, false, &moved);
	if (ret)
		refuse(v, -ret, "a page cannot be moved and tracked there");
	else if (moved.counts.written != 1)
		ret = refuse(v, EOPNOTSUPP, "pages stay protected when they are moved; Linux 6.12.11 mends that");
	munmap(to, PAGE_BYTES);
	return ret;
}

/* Three pages: one gets written, one read, one left alone. Does the kernel tell them apart? */
static int probe_round(const struct tracker *t, int uffd, int pagemap, volatile char *page, struct tracker_verdict *v)
{
	uint64_t start = (uintptr_t)page, end = start + PROBE_PAGES * PAGE_BYTES;
	struct findings before = {}, after = {};
	int ret, i;

	for (i = 0; i < PROBE_PAGES; i++)
		page[i * PAGE_BYTES] = 1;
	ret = tracker_register(t, uffd, start, end);
	if (ret)
		return refuse(v, -ret, "anonymous memory cannot be registered");
	ret = t->scan(pagemap, start, end, true, &before);
	if (ret)
		return refuse(v, -ret, "no PAGEMAP_SCAN as of Linux 6.7");
	ret = t->reset ? t->reset(getpid()) : 0;
	if (ret)
		return refuse(v, -ret, "soft-dirty cannot be reset");
	ret = t->protect ? t->protect(uffd, start, end) : 0;
	if (ret)
		return refuse(v, -ret, "memory cannot be made inaccessible");

	page[0] = 2;
	(void)page[PAGE_BYTES];
	ret = t->scan(pagemap, start, end, false, &after);
	if (ret)
		return refuse(v, -ret, "PAGEMAP_SCAN of protected pages");
	if (before.counts.scanned != PROBE_PAGES || after.counts.scanned != PROBE_PAGES)
		return refuse(v, EOPNOTSUPP, "present pages are not reported");
	if (t->protect && after.counts.cold != 1)
		return refuse(v, EOPNOTSUPP, "used pages are not told from others");
	if (after.counts.written != 1)
		return refuse(v, EOPNOTSUPP, "written pages are not told from others");
	return probe_move(t, uffd, pagemap, (char *)page + (PROBE_PAGES - 1) * PAGE_BYTES, v);
}

/* What is said before the name of the error. Root may do it, so something else is in the way. */
static const char *who_forbids(int error)
{
	return (error == EPERM || error == EACCES) && !geteuid() ? ", seccomp or a security module forbids it" : "";
}

/*
 * Finds out whether @t works here by using it on pages of this process: a
 * feature bit alone proves nothing, other kernels give it other meanings.
 *
 * Returns 0, or -errno with the reason in @v.
 */
int tracker_probe(const struct tracker *t, struct tracker_verdict *v)
{
	int dev = -1, uffd = -1, pagemap = -1, ret;
	char *page = MAP_FAILED;

	v->reason[0] = '\0';
	dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		ret = refuse(v, errno, "cannot open /dev/userfaultfd%s", who_forbids(errno));
		goto out;
	}
	uffd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0) {
		ret = refuse(v, errno, "cannot make a userfaultfd%s", who_forbids(errno));
		goto out;
	}
	ret = tracker_open(t, uffd);
	if (ret) {
		refuse(v, -ret, "the kernel lacks userfaultfd features %#llx", (unsigned long long)t->features);
		goto out;
	}
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0) {
		ret = refuse(v, errno, "cannot open /proc/self/pagemap");
		goto out;
	}
	page = mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		ret = refuse(v, errno, "no memory for a probe");
		goto out;
	}
	ret = probe_round(t, uffd, pagemap, page, v);
out:
	/* Closing ends the tracking; unmap only then, so that it is exercised. */
	if (uffd >= 0)
		close(uffd);
	if (page != MAP_FAILED)
		munmap(page, PROBE_BYTES);
	if (pagemap >= 0)
		close(pagemap);
	if (dev >= 0)
		close(dev);
	return ret;
}

/* The tracker of that name, or NULL. */
const struct tracker *tracker_find(const char *name)
{
	int i;

	for (i = 0; trackers[i]; i++)
		if (!strcmp(trackers[i]->name, name))
			return trackers[i];
	return NULL;
}

/*
 * The tracker called @name, or the first that works here for NULL. Returns NULL with
 * the reason when there is none: when none works, those of all that were tried.
 */
const struct tracker *tracker_select(const char *name, struct tracker_verdict *v)
{
	struct tracker_verdict one;
	size_t len = 0;
	int i;

	snprintf(v->reason, sizeof(v->reason), "there is no such tracker");
	for (i = 0; trackers[i]; i++) {
		if (name && strcmp(name, trackers[i]->name))
			continue;
		if (!tracker_probe(trackers[i], &one))
			return trackers[i];
		if (len < sizeof(v->reason))
			len += snprintf(v->reason + len, sizeof(v->reason) - len, "%s%s: %s", len ? "; " : "",
					trackers[i]->name, one.reason);
	}
	return NULL;
}
