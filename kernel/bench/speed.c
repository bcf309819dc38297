// SPDX-License-Identifier: GPL-2.0
/*
 * How long the operations of the series take, and how long those that it must
 * not slow down.
 *
 *   speed ops MIB ROUNDS    "NAME NS" per page or per fault, every round
 *   speed idle MIB ROUNDS   "NAME NS" per operation, every round; runs on any
 *                           kernel
 *
 * Numbers of one round are taken one after the other, so that their ratio means
 * something on a machine that others use too. The reader takes medians.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "../tests/lib/abi.h"

#define FEATURES ((uint64_t)UFFD_FEATURE_MINOR_ANON | \
		  UFFD_FEATURE_MINOR_ASYNC | UFFD_FEATURE_WP_ASYNC)

enum {
	PAGE = 4096,
	HUGE = 2 << 20,
	/* of what takes so short that one interruption would be most of it */
	REPEATS = 9,
};

static void die(const char *what)
{
	fprintf(stderr, "speed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Populated memory, aligned to huge pages and made of them if huge. */
static char *map_memory(size_t len, int huge)
{
	char *mem = mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	mem = (char *)(((uintptr_t)mem + HUGE - 1) & -(uintptr_t)HUGE);
	if (madvise(mem, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("madvise");
	memset(mem, 1, len);
	return mem;
}

static void report(const char *name, uint64_t ns, size_t per)
{
	printf("%s %.1f\n", name, (double)ns / per);
}

/* -- operations of the series, against write-protection */

static int open_uffd(char *mem, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURES };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)mem, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		die("userfaultfd with UFFD_FEATURE_MINOR_ANON");
	if (ioctl(fd, UFFDIO_REGISTER, &reg))
		die("UFFDIO_REGISTER");
	return fd;
}

static uint64_t time_writeprotect(int fd, char *mem, size_t len, int on)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)mem, .len = len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	uint64_t start = now_ns();

	if (ioctl(fd, UFFDIO_WRITEPROTECT, &wp))
		die("UFFDIO_WRITEPROTECT");
	return now_ns() - start;
}

static uint64_t time_deactivate(int fd, char *mem, size_t len)
{
	struct uffdio_range range = { .start = (uintptr_t)mem, .len = len };
	uint64_t start = now_ns();

	if (ioctl(fd, UFFDIO_DEACTIVATE, &range))
		die("UFFDIO_DEACTIVATE");
	return now_ns() - start;
}

static uint64_t time_write(char *mem, size_t len)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < len; i += PAGE)
		*(volatile char *)(mem + i) = 2;
	return now_ns() - start;
}

static uint64_t time_read(char *mem, size_t len)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < len; i += PAGE)
		(void)*(volatile char *)(mem + i);
	return now_ns() - start;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *times)
{
	qsort(times, REPEATS, sizeof(*times), compare);
	return times[REPEATS / 2];
}

static void ops_round(char *small, char *huge, size_t len)
{
	uint64_t times[REPEATS];
	size_t pages = len / PAGE;
	int fd = open_uffd(small, len);

	report("writeprotect", time_writeprotect(fd, small, len, 1), pages);
	report("fault_wp_write", time_write(small, len), pages);
	report("deactivate", time_deactivate(fd, small, len), pages);
	report("fault_thaw_write", time_write(small, len), pages);
	time_deactivate(fd, small, len);
	report("fault_thaw_read", time_read(small, len), pages);
	time_writeprotect(fd, small, len, 1);
	time_deactivate(fd, small, len);
	report("fault_both_write", time_write(small, len), pages);
	close(fd);

	fd = open_uffd(huge, len);
	for (int i = 0; i < REPEATS; i++) {
		times[i] = time_deactivate(fd, huge, len);
		time_read(huge, len);
	}
	report("deactivate_thp", median(times), pages);
	close(fd);
}

static void ops(size_t len, int rounds)
{
	char *small = map_memory(len, 0), *huge = map_memory(len, 1);

	while (rounds-- > 0)
		ops_round(small, huge, len);
}

/* -- what anybody does, with no userfaultfd in sight */

static uint64_t time_forks(int n)
{
	uint64_t start = now_ns();

	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return now_ns() - start;
}

static uint64_t time_mmaps(int n)
{
	uint64_t start = now_ns();

	for (int i = 0; i < n; i++) {
		char *mem = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (mem == MAP_FAILED)
			die("mmap");
		munmap(mem, 16 * PAGE);
	}
	return now_ns() - start;
}

static uint64_t time_faults(size_t len)
{
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t ns;

	if (mem == MAP_FAILED || madvise(mem, len, MADV_NOHUGEPAGE))
		die("mmap");
	ns = time_write(mem, len);
	munmap(mem, len);
	return ns;
}

static uint64_t time_mprotects(char *mem, size_t len, int n)
{
	uint64_t start = now_ns();

	for (int i = 0; i < n; i++)
		if (mprotect(mem, len, PROT_READ) ||
		    mprotect(mem, len, PROT_READ | PROT_WRITE))
			die("mprotect");
	return now_ns() - start;
}

static void idle(size_t len, int rounds)
{
	const int forks = 20, mmaps = 20000, mprotects = 10;
	char *mem = map_memory(len, 0);

	time_faults(len);
	while (rounds-- > 0) {
		report("fork_exit", time_forks(forks), forks);
		report("cow_write", time_write(mem, len), len / PAGE);
		report("mmap_munmap", time_mmaps(mmaps), mmaps);
		report("page_fault", time_faults(len), len / PAGE);
		report("mprotect_page", time_mprotects(mem, len, mprotects),
		       2 * mprotects * (len / PAGE));
	}
}

int main(int argc, char **argv)
{
	size_t len;

	if (argc != 4 || atoi(argv[2]) < 2 || atoi(argv[3]) < 1) {
		fprintf(stderr, "usage: speed ops|idle MIB ROUNDS\n");
		return 2;
	}
	len = (size_t)atoi(argv[2]) << 20;
	if (!strcmp(argv[1], "ops"))
		ops(len, atoi(argv[3]));
	else
		idle(len, atoi(argv[3]));
	return 0;
}
