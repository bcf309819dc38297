// SPDX-License-Identifier: GPL-2.0-only
/*
 * advice REPORT KIND - a task with one mapping of each kind that only the flags of mappings tell apart
 *
 * Writes its pid to REPORT when they are there, and then does nothing. KIND is one more that
 * is not the same in a child: "locked", "dontfork", "wipeonfork", or "gone", which is one for
 * MADV_DONTFORK without a page; or "hugetlb", of 2 MiB; or "neighbour", which gets another of its
 * kind beside it at SIGUSR1; or "watched", of which another process, HELPER of which the pid is in
 * REPORT as well, has a userfaultfd; or "missing", which that process is to fill; or "unanswered", the same, and it is to be told of each child, but
 * does not listen until it gets SIGUSR1; or "pinned", of which that process has pinned some pages as
 * for DMA, with the kernel's test for that; or "aio", with a context for asynchronous I/O; or both, "pinned-aio"; or
 * "file", REPORT.file, of which it has written to its
 * private mapping; or a child without exit signal: "child", which goes on; or "dead", of which it
 * says at SIGUSR1 what waiting for it returns, in REPORT; or "reserved", 12 TiB of address space with
 * nothing in it; or "none".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES (16 * 4096)

/* Only half of it is written to: the other half is not there. */
static char *area(int flags, int advice)
{
	char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED || (advice && madvise(p, BYTES, advice))) {
		perror("advice");
		_exit(1);
	}
	memset(p + BYTES / 2, 0x5a, BYTES / 2);
	/* What is beside it is another mapping. */
	mmap(NULL, 4096, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	return p;
}

static char *neighbour;

static void map_neighbour(int sig)
{
	(void)sig;
	mmap(neighbour, BYTES, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, -1, 0);
}

/* In front of it is nothing, and then one that keeps others away. */
static void make_room(char *p)
{
	neighbour = p - BYTES;
	mmap(neighbour - 4096, 4096 + BYTES, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0);
	munmap(neighbour, BYTES);
	signal(SIGUSR1, map_neighbour);
}

static void hugetlb(void)
{
	char *p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED) {
		perror("advice: hugetlb");
		_exit(1);
	}
	memset(p, 0x5a, 2 << 20);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Takes one message at each signal. */
static void listen_when_told(int uffd)
{
	struct uffd_msg msg;

	setsid();
	signal(SIGUSR1, on_signal);
	for (;;) {
		pause();
		while (read(uffd, &msg, sizeof(msg)) == sizeof(msg))
			;
	}
}

/*
 * As @mode says, what is not there is for the other process to fill, and half of the rest is write-protected.
 * Returns the pid of that process, which is no child of this one.
 */
static pid_t watch(char *p, uint64_t mode, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | features };
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, BYTES },
		.mode = mode,
	};
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)p + BYTES / 2, BYTES / 4 },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), fds[2];
	pid_t helper = -1;

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || pipe(fds)) {
		perror("advice: userfaultfd");
		_exit(1);
	}
	if (!fork()) {
		helper = fork();
		if (!helper)
			listen_when_told(uffd);
		if (write(fds[1], &helper, sizeof(helper)) != sizeof(helper))
			_exit(1);
		_exit(0);
	}
	wait(NULL);
	if (read(fds[0], &helper, sizeof(helper)) != sizeof(helper))
		_exit(1);
	/* Not earlier: the other process would have to be told of itself. */
	if (ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    (mode & UFFDIO_REGISTER_MODE_WP && ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))) {
		perror("advice: userfaultfd");
		_exit(1);
	}
	close(fds[0]);
	close(fds[1]);
	close(uffd);
	return helper;
}

/* As in the kernel's mm/gup_test.h */
struct pin_longterm_test {
	uint64_t addr;
	uint64_t size;
	uint32_t flags;
};

#define PIN_LONGTERM_TEST_START		 _IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_FLAG_USE_WRITE 1

static int pinned[2]; /* a pipe: how it went */

/* In a process that shares this one's memory, and not its descriptors: of these criu knows nothing. */
static int pin_and_wait(void *arg)
{
	struct pin_longterm_test test = {
		.addr = (uintptr_t)arg,
		.size = BYTES / 4,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
	};
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	char ok = fd >= 0 && !ioctl(fd, PIN_LONGTERM_TEST_START, &test);

	if (write(pinned[1], &ok, 1) != 1 || !ok)
		_exit(1);
	for (;;)
		pause();
}

/* Returns the pid of the process that has it pinned, which is no child of this one. */
static pid_t pin(char *p)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t helper;
	char ok = 0;

	if (pipe(pinned))
		_exit(1);
	helper = clone(pin_and_wait, stack + sizeof(stack), CLONE_VM | CLONE_PARENT | SIGCHLD, p + BYTES / 2);
	if (helper < 0 || read(pinned[0], &ok, 1) != 1 || !ok) {
		fprintf(stderr, "advice: nothing can be pinned\n");
		_exit(1);
	}
	close(pinned[0]);
	close(pinned[1]);
	return helper;
}

static void map_file(const char *report)
{
	static char zeroes[BYTES];
	char path[4096], *p;
	int fd;

	snprintf(path, sizeof(path), "%s.file", report);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, zeroes, BYTES) != BYTES)
		_exit(1);
	p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		_exit(1);
	close(fd);
	memset(p, 0x5a, BYTES);
}

static pid_t quiet_child(void)
{
	pid_t child = syscall(SYS_clone, 0, NULL, NULL, NULL, 0);

	while (!child)
		pause();
	return child;
}

/* With a ring that is mapped. */
static void aio(void)
{
	static aio_context_t context;

	if (syscall(SYS_io_setup, 16, &context)) {
		perror("advice: io_setup");
		_exit(1);
	}
}

static volatile sig_atomic_t asked;

static void ask(int sig)
{
	(void)sig;
	asked = 1;
}

int main(int argc, char **argv)
{
	static const int advices[] = { MADV_SEQUENTIAL, MADV_RANDOM, MADV_DONTDUMP, MADV_HUGEPAGE, MADV_NOHUGEPAGE };
	const char *kind = argc == 3 ? argv[2] : "";
	pid_t helper = 0;
	FILE *report;
	size_t i;

	for (i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		area(MAP_PRIVATE, advices[i]);
	area(MAP_PRIVATE | MAP_NORESERVE, 0);
	area(MAP_PRIVATE | MAP_GROWSDOWN, 0);
	area(MAP_SHARED, MADV_RANDOM);
	mprotect(area(MAP_PRIVATE, MADV_RANDOM), BYTES, PROT_NONE);
	if (!strcmp(kind, "locked"))
		mlock(area(MAP_PRIVATE, 0), BYTES);
	else if (!strcmp(kind, "dontfork"))
		area(MAP_PRIVATE, MADV_DONTFORK);
	else if (!strcmp(kind, "gone"))
		madvise(area(MAP_PRIVATE, MADV_DONTFORK), BYTES, MADV_DONTNEED);
	else if (!strcmp(kind, "wipeonfork"))
		area(MAP_PRIVATE, MADV_WIPEONFORK);
	else if (!strcmp(kind, "neighbour"))
		make_room(area(MAP_PRIVATE, 0));
	else if (!strcmp(kind, "hugetlb"))
		hugetlb();
	else if (!strcmp(kind, "watched"))
		helper = watch(area(MAP_PRIVATE, 0), UFFDIO_REGISTER_MODE_WP, 0);
	else if (!strcmp(kind, "missing"))
		helper = watch(area(MAP_PRIVATE, 0), UFFDIO_REGISTER_MODE_MISSING, 0);
	else if (!strcmp(kind, "unanswered"))
		helper = watch(area(MAP_PRIVATE, 0), UFFDIO_REGISTER_MODE_WP, UFFD_FEATURE_EVENT_FORK);
	else if (!strcmp(kind, "pinned") || !strcmp(kind, "pinned-aio"))
		helper = pin(area(MAP_PRIVATE, 0));
	else if (!strcmp(kind, "aio"))
		area(MAP_PRIVATE, 0);
	else if (!strcmp(kind, "reserved"))
		mmap(NULL, 12ul << 40, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE, -1, 0);
	else if (!strcmp(kind, "file"))
		map_file(argv[1]);
	else if (!strcmp(kind, "child") || !strcmp(kind, "dead"))
		helper = quiet_child();
	else if (strcmp(kind, "none"))
		return 2;
	if (strstr(kind, "aio"))
		aio();
	if (!strcmp(kind, "dead")) {
		signal(SIGUSR1, ask);
		kill(helper, SIGKILL);
	}
	report = fopen(argv[1], "w");
	fprintf(report, "%d %d\n", getpid(), helper);
	fclose(report);
	while (!asked)
		pause();
	report = fopen(argv[1], "w");
	fprintf(report, "%d\n", waitpid(helper, NULL, __WALL));
	fclose(report);
	for (;;)
		pause();
}
