// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long it takes to arm memory, with the plugin's own tracker and scan, on pages of
 * this process: what a task is stopped for, the way to its userfaultfd aside. Runs on
 * the host's kernel as well as in a guest.
 *
 *	arm MIB ROUNDS
 *
 * For pages of 4 KiB and for huge ones prints "PAGES TRACKER FIRST NEXT": medians of
 * ROUNDS, in milliseconds for each GiB, of the first round, and of one after a twentieth
 * of the pages was written. Exit status 0; 1 after an error; 77 when nothing can track
 * memory here, with the reason on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "page.h"
#include "tracker.h"


static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fail(const char *what, int err)
{
	fprintf(stderr, "arm: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t nr)
{
	qsort(v, nr, sizeof(*v), compare);
	return nr % 2 ? v[nr / 2] : (v[nr / 2 - 1] + v[nr / 2]) / 2;
}

/* Begins a round as the plugin does. Returns how many milliseconds it took. */
static double arm(const struct tracker *t, int uffd, int pagemap, uint64_t start, uint64_t end, uint64_t pages)
{
	struct run_set known = {}, seen = {};
	struct findings f = { .known = &known, .seen = &seen };
	double began = now_ms();
	int ret;

	ret = tracker_register(t, uffd, start, end);
	if (!ret)
		ret = t->scan(pagemap, start, end, true, &f);
	if (!ret && t->reset)
		ret = t->reset(getpid());
	if (!ret && t->protect)
		ret = t->protect(uffd, start, end);
	began = now_ms() - began;
	if (ret)
		fail("a round", ret);
	run_set_fini(&known);
	run_set_fini(&seen);
	if (f.counts.scanned != pages) {
		fprintf(stderr, "arm: %llu pages of %llu were scanned\n", (unsigned long long)f.counts.scanned,
			(unsigned long long)pages);
		exit(1);
	}
	return began;
}

static void measure(const struct tracker *t, int device, int pagemap, uint64_t bytes, size_t rounds, bool huge)
{
	double *first = calloc(rounds, sizeof(*first)), *next = calloc(rounds, sizeof(*next));
	double gib = (double)bytes / (1ul << 30);
	size_t i;

	if (!first || !next)
		fail("memory", ENOMEM);
	for (i = 0; i < rounds; i++) {
		char *map = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		uint64_t start = ((uintptr_t)map + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1), pos;
		int uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK), ret;

		if (map == MAP_FAILED || uffd < 0)
			fail("memory and a userfaultfd", errno);
		ret = tracker_open(t, uffd);
		if (ret)
			fail("UFFDIO_API", ret);
		if (madvise((void *)start, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
			fail("madvise", errno);
		memset((void *)start, 1, bytes);
		first[i] = arm(t, uffd, pagemap, start, start + bytes, bytes / PAGE_BYTES) / gib;
		for (pos = start; pos < start + bytes; pos += 20 * (huge ? HUGE_BYTES : PAGE_BYTES))
			*(volatile char *)pos = 2;
		next[i] = arm(t, uffd, pagemap, start, start + bytes, bytes / PAGE_BYTES) / gib;
		close(uffd);
		munmap(map, bytes + HUGE_BYTES);
	}
	printf("%s %s %.2f %.2f\n", huge ? "huge" : "4KiB", t->name, median(first, rounds), median(next, rounds));
	free(first);
	free(next);
}

int main(int argc, char **argv)
{
	unsigned long mib = argc == 3 ? strtoul(argv[1], NULL, 10) : 0, rounds = mib ? strtoul(argv[2], NULL, 10) : 0;
	struct tracker_verdict verdict = {};
	const struct tracker *t;
	int device, pagemap;

	if (!rounds) {
		fprintf(stderr, "usage: arm MIB ROUNDS\n");
		return 1;
	}
	t = tracker_select(NULL, &verdict);
	if (!t) {
		printf("%s\n", verdict.reason);
		return 77;
	}
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (device < 0 || pagemap < 0)
		fail("/dev/userfaultfd and /proc/self/pagemap", errno);
	measure(t, device, pagemap, (uint64_t)mib << 20, rounds, false);
	measure(t, device, pagemap, (uint64_t)mib << 20, rounds, true);
	return 0;
}
