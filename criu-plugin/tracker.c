// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scan.h"
#include "tracker.h"
#include "uapi.h"

#define PROBE_BYTES 8192ul

static int uffd_deactivate(int uffd, uint64_t start, uint64_t end)
{
	struct uffdio_range range = { .start = start, .len = end - start };

	return ioctl(uffd, UFFDIO_DEACTIVATE, &range) ? -errno : 0;
}

static const struct tracker deactivate = {
	.name = "deactivate",
	.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_MINOR_ANON | UFFD_FEATURE_MINOR_ASYNC,
	.register_mode = UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR,
	.deactivate = uffd_deactivate,
};

/* In the order in which they are tried. */
const struct tracker *const trackers[] = { &deactivate, NULL };

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
	struct uffdio_api api = { .api = UFFD_API, .features = t->features };

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

/* One page written, one only read, both armed: does the kernel tell them apart? */
static int probe_round(const struct tracker *t, int uffd, int pagemap, volatile char *page, struct tracker_verdict *v)
{
	uint64_t start = (uintptr_t)page, end = start + PROBE_BYTES;
	struct page_counts before = {}, after = {};
	int ret;

	page[0] = page[PROBE_BYTES / 2] = 1;
	ret = tracker_register(t, uffd, start, end);
	if (ret)
		return refuse(v, -ret, "anonymous memory cannot be registered");
	ret = scan_pages(pagemap, start, end, true, NULL, &before);
	if (ret)
		return refuse(v, -ret, "no PAGEMAP_SCAN (Linux 6.7)");
	ret = t->deactivate ? t->deactivate(uffd, start, end) : 0;
	if (ret)
		return refuse(v, -ret, "UFFDIO_DEACTIVATE does not work");

	page[0] = 2;
	ret = scan_pages(pagemap, start, end, false, NULL, &after);
	if (ret)
		return refuse(v, -ret, "PAGEMAP_SCAN of a deactivated page");
	if (before.scanned != 2 || after.written != 1)
		return refuse(v, EOPNOTSUPP, "a written page is not reported");
	if (t->deactivate && (after.cold != 1 || page[PROBE_BYTES / 2] != 1))
		return refuse(v, EOPNOTSUPP, "a deactivated page is not reported");
	return 0;
}

/*
 * Finds out whether @t works here by using it on two pages of this process: a
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
		ret = refuse(v, errno, "cannot open /dev/userfaultfd");
		goto out;
	}
	uffd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0) {
		ret = refuse(v, errno, "cannot make a userfaultfd");
		goto out;
	}
	ret = tracker_open(t, uffd);
	if (ret) {
		refuse(v, -ret, "the kernel lacks userfaultfd features %#llx (not built with the Frazil series)",
		       (unsigned long long)t->features);
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

/*
 * The first tracker that works here, or NULL with the reason why the last one
 * tried does not.
 */
const struct tracker *tracker_select(struct tracker_verdict *v)
{
	int i;

	for (i = 0; trackers[i]; i++)
		if (!tracker_probe(trackers[i], v))
			return trackers[i];
	return NULL;
}
