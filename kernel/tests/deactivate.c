// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of UFFDIO_DEACTIVATE on private anonymous memory, in async mode.
 *
 *   deactivate [FILTER]     run the tests whose name contains FILTER
 *
 * Prints TAP. Exit status: 0 all passed or skipped, 1 some failed, 77 the
 * kernel cannot deactivate pages.
 *
 * Theory of operation: each test is a function that returns when it passed, and
 * leaves through fail() or skip() otherwise. It runs in a process group of its
 * own with an alarm, so that a hang or a crash is the failure of one test.
 *
 * A test works on a struct area: pages with known contents, registered with a
 * userfaultfd. It names sets of pages by rules (predicates on the page's index
 * in the area), accesses some of them, and compares what PAGEMAP_SCAN says of
 * each page with what it should say. Looking at a page through its address is
 * an access and changes the state; peek() looks without one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

typedef uint64_t u64;

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef UFFD_FEATURE_MINOR_ANON
#define UFFD_FEATURE_MINOR_ANON (1 << 29)
#endif
#ifndef UFFD_FEATURE_MINOR_ASYNC
#define UFFD_FEATURE_MINOR_ASYNC (1 << 30)
#endif
#ifndef UFFDIO_DEACTIVATE
#define _UFFDIO_DEACTIVATE 0x30
#define UFFDIO_DEACTIVATE _IOR(UFFDIO, _UFFDIO_DEACTIVATE, struct uffdio_range)
#endif
#ifndef UFFDIO_SET_MODE
#define _UFFDIO_SET_MODE 0x31
#define UFFDIO_SET_MODE _IOW(UFFDIO, _UFFDIO_SET_MODE, struct uffdio_set_mode)
struct uffdio_set_mode {
	__u64 enable;
	__u64 disable;
};
#endif

#ifndef PAGEMAP_SCAN
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WPALLOWED (1 << 0)
#define PAGE_IS_WRITTEN (1 << 1)
#define PAGE_IS_FILE (1 << 2)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)
#define PAGE_IS_HUGE (1 << 6)
struct page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};
#define PM_SCAN_WP_MATCHING (1 << 0)
#define PM_SCAN_CHECK_WPASYNC (1 << 1)
struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};
#endif
#ifndef PAGE_IS_UFFD_DEACTIVATED
#define PAGE_IS_UFFD_DEACTIVATED (1 << 30)
#endif

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define DEACT ((u64)PAGE_IS_UFFD_DEACTIVATED)
#define WRITTEN ((u64)PAGE_IS_WRITTEN)
#define PRESENT ((u64)PAGE_IS_PRESENT)
#define SWAPPED ((u64)PAGE_IS_SWAPPED)
#define HUGE ((u64)PAGE_IS_HUGE)
#define POPULATED (PRESENT | SWAPPED)
#define SCAN_ARM (PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC)

#define FEATURES ((u64)UFFD_FEATURE_MINOR_ANON | UFFD_FEATURE_MINOR_ASYNC | \
		  UFFD_FEATURE_WP_ASYNC)
#define MINOR UFFDIO_REGISTER_MODE_MINOR
#define MINOR_WP (UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP)

/* Bits of an entry of /proc/PID/pagemap */
#define PM_SOFT_DIRTY (1ULL << 55)
#define PM_UFFD_WP (1ULL << 57)

enum {
	PAGES = 48,
	MAX_PAGES = 2048,
	EXIT_FAIL = 1,
	EXIT_SKIP = 77,
	TEST_TIMEOUT_S = 60,
	STUCK_TIMEOUT_S = 75,
	STRESS_MS = 2000,
	STRESS_THREADS = 4,
};

struct area {
	char *mem;
	size_t pages;
	int uffd;
	int pagemap;	/* of the process whose memory it is */
};

/* Chooses pages by their index in the area. */
typedef bool (*rule_t)(size_t page);

/* Shared by a test with the processes it starts. */
struct report {
	char why[512];
};

static struct report *report;
static size_t page_size;
static u64 cats[MAX_PAGES];	/* what the last scan said, page by page */

/* -- how a test ends */

static void __attribute__((noreturn, format(printf, 2, 3)))
leave(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(report->why, sizeof(report->why), fmt, ap);
	va_end(ap);
	_exit(status);
}

#define fail(fmt, ...) \
	leave(EXIT_FAIL, "line %d: " fmt, __LINE__, ##__VA_ARGS__)
#define skip(...) leave(EXIT_SKIP, __VA_ARGS__)

#define CHECK(cond) \
	do { \
		if (!(cond)) \
			fail("%s (errno %d)", #cond, errno); \
	} while (0)

#define CHECK_EQ(what, expected) \
	do { \
		long long is_ = (what), want_ = (expected); \
		if (is_ != want_) \
			fail("%s is %lld, not %lld", #what, is_, want_); \
	} while (0)

/* -- sets of pages */

static bool all(size_t page)
{
	return page != SIZE_MAX;
}

static bool none(size_t page)
{
	return page == SIZE_MAX;
}

static bool first(size_t page)
{
	return page == 0;
}

static bool even(size_t page)
{
	return page % 2 == 0;
}

static bool third(size_t page)
{
	return page % 3 == 0;
}

static bool sixth(size_t page)
{
	return page % 6 == 0;
}

static bool even_or_third(size_t page)
{
	return even(page) || third(page);
}

/* The part of a small area that tests of sub-ranges work on: pages 16 to 31 */
static bool middle(size_t page)
{
	return page >= PAGES / 3 && page < 2 * PAGES / 3;
}

static bool not_middle(size_t page)
{
	return !middle(page);
}

/* -- contents */

static char *page_of(const struct area *a, size_t page)
{
	return a->mem + page * page_size;
}

static u64 word_of(u64 seed, size_t page, size_t word)
{
	return (seed << 40) + (page << 12) + word;
}

static void write_pages(const struct area *a, rule_t rule, u64 seed)
{
	for (size_t p = 0; p < a->pages; p++) {
		volatile u64 *w = (u64 *)page_of(a, p);

		if (!rule(p))
			continue;
		for (size_t i = 0; i < page_size / sizeof(*w); i++)
			w[i] = word_of(seed, p, i);
	}
}

static void check_words(const u64 *w, size_t page, u64 seed)
{
	for (size_t i = 0; i < page_size / sizeof(*w); i++)
		if (w[i] != word_of(seed, page, i))
			fail("page %zu word %zu is %#llx, not %#llx", page, i,
			     (unsigned long long)w[i],
			     (unsigned long long)word_of(seed, page, i));
}

/* Reads the pages, as an access that may thaw them. */
static void check_pages(const struct area *a, rule_t rule, u64 seed)
{
	for (size_t p = 0; p < a->pages; p++)
		if (rule(p))
			check_words((u64 *)page_of(a, p), p, seed);
}

static void check_zero(const struct area *a, rule_t rule)
{
	for (size_t p = 0; p < a->pages; p++) {
		volatile u64 *w = (u64 *)page_of(a, p);

		for (size_t i = 0; rule(p) && i < page_size / sizeof(*w); i++)
			if (w[i])
				fail("page %zu word %zu is not zero", p, i);
	}
}

/* One byte of each page, which is enough for an access. */
static void touch_pages(const struct area *a, rule_t rule)
{
	for (size_t p = 0; p < a->pages; p++)
		if (rule(p))
			(void)*(volatile char *)page_of(a, p);
}

/* -- memory and its userfaultfd */

/*
 * Inaccessible pages around the area keep its VMA from merging with others, and
 * catch who looks past the end.
 */
static void area_map(struct area *a, size_t pages, size_t align)
{
	size_t len = pages * page_size;
	char *mem;

	CHECK(pages <= MAX_PAGES);
	mem = mmap(NULL, len + align + 2 * page_size, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(mem != MAP_FAILED);
	mem = (char *)(((uintptr_t)mem + page_size + align - 1) & -align);
	CHECK(!mprotect(mem, len, PROT_READ | PROT_WRITE));
	CHECK(!madvise(mem, len, MADV_NOHUGEPAGE) || errno == EINVAL);
	*a = (struct area){ .mem = mem, .pages = pages, .uffd = -1,
			    .pagemap = -1 };
}

/* Returns the userfaultfd or -errno. */
static int try_uffd(u64 features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	const int flags = O_CLOEXEC | O_NONBLOCK;
	int fd, err;

	fd = syscall(SYS_userfaultfd, flags);
	if (fd < 0 && errno == EPERM)
		fd = syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
	if (fd < 0)
		return -errno;
	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int open_uffd(u64 features)
{
	int fd = try_uffd(features);

	if (fd < 0)
		fail("userfaultfd with features %#llx: errno %d",
		     (unsigned long long)features, -fd);
	return fd;
}

/* Returns 0 or -errno; *ioctls may be NULL. */
static int try_register(int uffd, void *mem, size_t pages, u64 mode,
			u64 *ioctls)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)mem, .len = pages * page_size },
		.mode = mode,
	};

	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	if (ioctls)
		*ioctls = reg.ioctls;
	return 0;
}

/* The ioctls on a range: return 0 or -errno. */
static int range_ioctl(int uffd, unsigned long cmd, u64 start, u64 len)
{
	struct uffdio_range range = { .start = start, .len = len };

	return ioctl(uffd, cmd, &range) ? -errno : 0;
}

static int try_deactivate(const struct area *a, size_t page, size_t pages)
{
	return range_ioctl(a->uffd, UFFDIO_DEACTIVATE,
			   (uintptr_t)page_of(a, page), pages * page_size);
}

static void deactivate(const struct area *a)
{
	CHECK_EQ(try_deactivate(a, 0, a->pages), 0);
}

static void unregister(const struct area *a, size_t page, size_t pages)
{
	CHECK_EQ(range_ioctl(a->uffd, UFFDIO_UNREGISTER,
			     (uintptr_t)page_of(a, page), pages * page_size),
		 0);
}

static void writeprotect(const struct area *a, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)a->mem,
			   .len = a->pages * page_size },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	CHECK(!ioctl(a->uffd, UFFDIO_WRITEPROTECT, &wp));
}

static int open_pagemap(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void area_register(struct area *a, u64 mode)
{
	a->uffd = open_uffd(FEATURES);
	a->pagemap = open_pagemap(getpid());
	CHECK_EQ(try_register(a->uffd, a->mem, a->pages, mode, NULL), 0);
}

/* -- what the kernel says about pages */

/* Sets cats[] for all pages; those that do not match anyof get 0. */
static void scan(const struct area *a, u64 anyof, u64 flags)
{
	static struct page_region vec[MAX_PAGES];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = flags,
		.start = (uintptr_t)a->mem,
		.end = (uintptr_t)page_of(a, a->pages),
		.vec = (uintptr_t)vec,
		.vec_len = MAX_PAGES,
		.category_anyof_mask = anyof,
		.return_mask = DEACT | WRITTEN | POPULATED | HUGE,
	};
	long n = ioctl(a->pagemap, PAGEMAP_SCAN, &arg);

	CHECK(n >= 0 && arg.walk_end == arg.end);
	memset(cats, 0, sizeof(cats));
	for (long i = 0; i < n; i++) {
		size_t p = (vec[i].start - arg.start) / page_size;
		size_t end = (vec[i].end - arg.start) / page_size;

		while (p < end)
			cats[p++] = vec[i].categories;
	}
}

/* Of cats[]: pages of the rule have, under mask, what in says, others out. */
static void match(int line, const struct area *a, rule_t rule, u64 mask, u64 in,
		  u64 out)
{
	size_t wrong = 0, page = 0;

	for (size_t p = a->pages; p-- > 0;) {
		if ((cats[p] & mask) == (rule(p) ? in : out))
			continue;
		wrong++;
		page = p;
	}
	if (wrong)
		leave(EXIT_FAIL, "line %d: %zu of %zu pages wrong, first %zu: "
		      "categories %#llx, not %#llx", line, wrong, a->pages,
		      page, (unsigned long long)(cats[page] & mask),
		      (unsigned long long)(rule(page) ? in : out));
}

#define MATCH(a, rule, mask, in, out) \
	match(__LINE__, a, rule, mask, in, out)

#define EXPECT(a, rule, mask, in, out) \
	do { \
		scan(a, POPULATED, 0); \
		MATCH(a, rule, mask, in, out); \
	} while (0)

/* A scan of anything but what was never populated, to write-protect it. */
static void arm(const struct area *a)
{
	scan(a, POPULATED, SCAN_ARM);
	EXPECT(a, all, WRITTEN, 0, 0);
}

static size_t count(const struct area *a, u64 mask)
{
	size_t n = 0;

	for (size_t p = 0; p < a->pages; p++)
		n += (cats[p] & mask) != 0;
	return n;
}

static u64 pagemap_entry(const struct area *a, size_t page)
{
	u64 entry;

	CHECK(pread(a->pagemap, &entry, sizeof(entry),
		    (uintptr_t)page_of(a, page) / page_size * sizeof(entry)) ==
	      sizeof(entry));
	return entry;
}

static void expect_bit(int line, const struct area *a, u64 bit, rule_t rule)
{
	for (size_t p = 0; p < a->pages; p++)
		if (!(pagemap_entry(a, p) & bit) == rule(p))
			leave(EXIT_FAIL, "line %d: page %zu has pagemap entry "
			      "%#llx, wrong in %#llx", line, p,
			      (unsigned long long)pagemap_entry(a, p),
			      (unsigned long long)bit);
}

#define EXPECT_BIT(a, bit, rule) expect_bit(__LINE__, a, bit, rule)

/* A number in kB from the smaps entry of the VMA that the area starts in. */
static long smaps_kb(const struct area *a, const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	bool inside = false;
	char line[512];
	long kb = -1;

	CHECK(f);
	while (kb < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)a->mem >= start &&
				 (uintptr_t)a->mem < end;
		else if (inside && !strncmp(line, field, strlen(field)))
			kb = strtol(line + strlen(field), NULL, 10);
	}
	fclose(f);
	CHECK(kb >= 0);
	return kb;
}

/* The first number in a file, or -1. */
static long file_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

/*
 * How many NUMA hinting faults the system has seen, or 0 where something else
 * than a mistaken deactivated page may cause them.
 */
static long numa_hint_faults(void)
{
	FILE *f;
	char name[64];
	long n;

	if (file_number("/proc/sys/kernel/numa_balancing") > 0)
		return 0;
	f = fopen("/proc/vmstat", "re");
	CHECK(f);
	while (fscanf(f, "%63s %ld", name, &n) == 2) {
		if (strcmp(name, "numa_hint_faults"))
			continue;
		fclose(f);
		return n;
	}
	fclose(f);
	return 0;
}

/* -- areas ready for use */

/* Populated with seed 1, registered, write-protected if mode has MODE_WP. */
static void area_init_aligned(struct area *a, size_t pages, size_t align,
			      u64 mode)
{
	area_map(a, pages, align);
	write_pages(a, all, 1);
	area_register(a, mode);
	if (mode & UFFDIO_REGISTER_MODE_WP)
		arm(a);
}

static void area_init(struct area *a, u64 mode)
{
	area_init_aligned(a, PAGES, page_size, mode);
}

/* The same, but everything deactivated. */
static void area_init_cold(struct area *a, u64 mode)
{
	area_init(a, mode);
	deactivate(a);
	EXPECT(a, all, DEACT | PRESENT, DEACT | PRESENT, 0);
}

/* Reads a page from outside, through get_user_pages. */
static void peek(const struct area *a, pid_t pid, size_t page, void *buf)
{
	struct iovec local = { .iov_base = buf, .iov_len = page_size };
	struct iovec remote = { .iov_base = page_of(a, page),
				.iov_len = page_size };

	CHECK_EQ(process_vm_readv(pid, &local, 1, &remote, 1, 0), page_size);
}

static void peek_pages(const struct area *a, pid_t pid, rule_t rule, u64 seed)
{
	u64 buf[page_size / sizeof(u64)];

	for (size_t p = 0; p < a->pages; p++) {
		if (!rule(p))
			continue;
		peek(a, pid, p, buf);
		check_words(buf, p, seed);
	}
}

/* -- processes */

/* The child's own fail() has left its reason. */
static void join_child(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	if (WIFSIGNALED(status))
		fail("child killed by signal %d", WTERMSIG(status));
}

struct target {
	pid_t pid;
	int go;		/* closing it lets the target end */
};

static void __attribute__((noreturn)) target_main(struct area *a, u64 mode,
						  int ready, int go)
{
	char c = 0;

	write_pages(a, all, 1);
	area_register(a, mode);
	if (mode & UFFDIO_REGISTER_MODE_WP)
		arm(a);
	deactivate(a);
	CHECK(write(ready, &c, 1) == 1);
	CHECK(read(go, &c, 1) == 0);
	_exit(0);
}

/*
 * Starts a process with a deactivated area that it does not touch. In *a, the
 * caller gets its address and a view on the other process's pagemap.
 */
static struct target target_start(struct area *a, u64 mode)
{
	int ready[2], go[2];
	struct target t;
	char c;

	area_map(a, PAGES, page_size);
	CHECK(!pipe(ready) && !pipe(go));
	t.pid = fork();
	CHECK(t.pid >= 0);
	if (!t.pid) {
		close(go[1]);
		target_main(a, mode, ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	if (read(ready[0], &c, 1) != 1)
		join_child(t.pid);
	t.go = go[1];
	a->pagemap = open_pagemap(t.pid);
	EXPECT(a, all, DEACT, DEACT, 0);
	return t;
}

static void target_end(struct target *t)
{
	close(t->go);
	join_child(t->pid);
}

static void send_fd(int sock, int fd)
{
	char c = 0, ctl[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = ctl,
			      .msg_controllen = sizeof(ctl) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	CHECK(sendmsg(sock, &msg, 0) == 1);
}

static int recv_fd(int sock)
{
	char c, ctl[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = ctl,
			      .msg_controllen = sizeof(ctl) };
	int fd;

	CHECK(recvmsg(sock, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* -- tests: what is offered and what is refused */

static void features_ioctls(void)
{
	const u64 deactivate_bit = 1ULL << _UFFDIO_DEACTIVATE;
	struct uffdio_api api = { .api = UFFD_API };
	struct area a;
	u64 ioctls = 0;
	int fd;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	CHECK(fd >= 0 && !ioctl(fd, UFFDIO_API, &api));
	CHECK_EQ(api.features & FEATURES, FEATURES);

	area_map(&a, PAGES, page_size);
	a.uffd = open_uffd(FEATURES);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, &ioctls), 0);
	CHECK_EQ(ioctls & deactivate_bit, deactivate_bit);
	unregister(&a, 0, PAGES);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR_WP, &ioctls), 0);
	CHECK_EQ(ioctls & deactivate_bit, deactivate_bit);
	unregister(&a, 0, PAGES);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR_WP |
			      UFFDIO_REGISTER_MODE_MISSING, &ioctls), 0);
	CHECK_EQ(ioctls & deactivate_bit, deactivate_bit);
	unregister(&a, 0, PAGES);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, UFFDIO_REGISTER_MODE_WP,
			      &ioctls), 0);
	CHECK_EQ(ioctls & deactivate_bit, 0);
}

static void anon_needs_both_features(void)
{
	struct area a;

	area_map(&a, PAGES, page_size);
	a.uffd = open_uffd(UFFD_FEATURE_MINOR_ANON);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), -EINVAL);
	close(a.uffd);
	a.uffd = open_uffd(UFFD_FEATURE_MINOR_ASYNC);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), -EINVAL);
	close(a.uffd);
	a.uffd = open_uffd(0);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), -EINVAL);
}

static void expect_register_refused(int flags, int fd, size_t len)
{
	int uffd = open_uffd(FEATURES);
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 flags | MAP_NORESERVE, fd, 0);

	if (mem == MAP_FAILED)
		skip("mmap with flags %#x: %s", flags, strerror(errno));
	CHECK_EQ(try_register(uffd, mem, len / page_size, MINOR, NULL),
		 -EINVAL);
	CHECK_EQ(range_ioctl(uffd, UFFDIO_DEACTIVATE, (uintptr_t)mem, len),
		 -ENOENT);
}

static void shmem_refused(void)
{
	const size_t len = 4 * page_size;
	int fd = memfd_create("deactivate", MFD_CLOEXEC);

	CHECK(fd >= 0 && !ftruncate(fd, len));
	expect_register_refused(MAP_SHARED | MAP_ANONYMOUS, -1, len);
	expect_register_refused(MAP_SHARED, fd, len);
	expect_register_refused(MAP_PRIVATE, fd, len);
}

static void hugetlb_refused(void)
{
	const size_t len = 2 << 20;
	const int flags = MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT);

	expect_register_refused(MAP_PRIVATE | flags, -1, len);
	expect_register_refused(MAP_SHARED | flags, -1, len);
}

/* To be replaced by tests of the operations once they exist. */
static void sync_mode_refused(void)
{
	struct uffdio_set_mode mode = { .disable = UFFD_FEATURE_MINOR_ASYNC };
	struct uffdio_continue cont = { 0 };
	struct area a;

	area_init_cold(&a, MINOR);
	CHECK(ioctl(a.uffd, UFFDIO_SET_MODE, &mode) == -1 && errno == EINVAL);
	cont.range.start = (uintptr_t)a.mem;
	cont.range.len = page_size;
	CHECK(ioctl(a.uffd, UFFDIO_CONTINUE, &cont) == -1);
	EXPECT(&a, all, DEACT, DEACT, 0);
	check_pages(&a, all, 1);
}

/* -- tests: the arguments of UFFDIO_DEACTIVATE */

static void bad_arguments(void)
{
	u64 start, len;
	struct area a;

	area_init(&a, MINOR);
	start = (uintptr_t)a.mem;
	len = PAGES * page_size;
	CHECK_EQ(range_ioctl(a.uffd, UFFDIO_DEACTIVATE, start + 1,
			     len - page_size), -EINVAL);
	CHECK_EQ(range_ioctl(a.uffd, UFFDIO_DEACTIVATE, start, len - 1),
		 -EINVAL);
	CHECK_EQ(range_ioctl(a.uffd, UFFDIO_DEACTIVATE, start, 0), -EINVAL);
	CHECK_EQ(range_ioctl(a.uffd, UFFDIO_DEACTIVATE, start, -page_size),
		 -EINVAL);
	CHECK(ioctl(a.uffd, UFFDIO_DEACTIVATE, NULL) == -1 && errno == EFAULT);
	EXPECT(&a, all, DEACT, 0, 0);
}

static void hole(void)
{
	struct area a;

	area_init(&a, MINOR);
	CHECK(!munmap(page_of(&a, 20), page_size));
	CHECK_EQ(try_deactivate(&a, 0, PAGES), -ENOENT);
	CHECK_EQ(try_deactivate(&a, 20, PAGES - 20), -ENOENT);
	CHECK_EQ(try_deactivate(&a, 0, 21), -ENOENT);
	CHECK_EQ(try_deactivate(&a, 20, 1), -ENOENT);
	EXPECT(&a, all, DEACT, 0, 0);
	CHECK_EQ(try_deactivate(&a, 0, 20), 0);
	CHECK_EQ(try_deactivate(&a, 21, PAGES - 21), 0);
}

/* The refused part once in the middle, once at each end of the range. */
static void expect_middle_refused(const struct area *a)
{
	CHECK_EQ(try_deactivate(a, 0, PAGES), -ENOENT);
	CHECK_EQ(try_deactivate(a, PAGES / 3, PAGES / 2), -ENOENT);
	CHECK_EQ(try_deactivate(a, 0, PAGES / 3 + 1), -ENOENT);
	CHECK_EQ(try_deactivate(a, PAGES / 3, PAGES / 3), -ENOENT);
	EXPECT(a, all, DEACT, 0, 0);
	CHECK_EQ(try_deactivate(a, 0, PAGES / 3), 0);
	CHECK_EQ(try_deactivate(a, 2 * PAGES / 3, PAGES / 3), 0);
	EXPECT(a, middle, DEACT, 0, DEACT);
	check_pages(a, all, 1);
}

static void part_unregistered(void)
{
	struct area a;

	area_init(&a, MINOR);
	unregister(&a, PAGES / 3, PAGES / 3);
	expect_middle_refused(&a);
}

static void part_wp_only(void)
{
	struct area a;

	area_init(&a, MINOR_WP);
	unregister(&a, PAGES / 3, PAGES / 3);
	CHECK_EQ(try_register(a.uffd, page_of(&a, PAGES / 3), PAGES / 3,
			      UFFDIO_REGISTER_MODE_WP, NULL), 0);
	expect_middle_refused(&a);
}

static void part_of_another_uffd(void)
{
	struct area a;
	int other = open_uffd(FEATURES);

	area_init(&a, MINOR);
	unregister(&a, PAGES / 3, PAGES / 3);
	CHECK_EQ(try_register(other, page_of(&a, PAGES / 3), PAGES / 3, MINOR,
			      NULL), 0);
	expect_middle_refused(&a);
}

/* The context outlives the address space it belongs to. */
static void mm_gone(void)
{
	int sock[2], go[2];
	struct area a;
	pid_t pid;
	char c;

	area_map(&a, PAGES, page_size);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sock) && !pipe(go));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(go[1]);
		write_pages(&a, all, 1);
		area_register(&a, MINOR);
		send_fd(sock[1], a.uffd);
		CHECK(read(go[0], &c, 1) == 0);
		_exit(0);
	}
	close(sock[1]);
	a.uffd = recv_fd(sock[0]);
	a.pagemap = open_pagemap(pid);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	close(go[1]);
	join_child(pid);
	CHECK_EQ(try_deactivate(&a, 0, PAGES), -ESRCH);
}

/* -- tests: deactivation itself and accesses by the process */

static void stays_resident(void)
{
	unsigned char core[PAGES];
	u64 before[PAGES];
	struct area a;
	long rss;

	area_init(&a, MINOR_WP);
	rss = smaps_kb(&a, "Rss:");
	CHECK_EQ(rss, PAGES * page_size / 1024);
	for (size_t p = 0; p < PAGES; p++)
		before[p] = pagemap_entry(&a, p);
	deactivate(&a);
	EXPECT(&a, all, DEACT | PRESENT | WRITTEN, DEACT | PRESENT, 0);
	CHECK_EQ(smaps_kb(&a, "Rss:"), rss);
	CHECK(!mincore(a.mem, PAGES * page_size, core));
	for (size_t p = 0; p < PAGES; p++) {
		CHECK_EQ(core[p] & 1, 1);
		/* for root, this has the page frame number */
		CHECK_EQ(pagemap_entry(&a, p), before[p]);
	}
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | PRESENT | WRITTEN, PRESENT, 0);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(pagemap_entry(&a, p), before[p]);
}

static void part_of_range(void)
{
	struct area a;

	area_init(&a, MINOR);
	CHECK_EQ(try_deactivate(&a, PAGES / 3, PAGES / 3), 0);
	EXPECT(&a, middle, DEACT, DEACT, 0);
	deactivate(&a);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT, 0, 0);
}

static void read_thaws(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	check_pages(&a, third, 1);
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
}

static void write_thaws(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	write_pages(&a, third, 2);
	scan(&a, WRITTEN | DEACT, SCAN_ARM);
	MATCH(&a, third, DEACT | WRITTEN, WRITTEN, DEACT);
	/* and armed again by the scan that reported them */
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	write_pages(&a, sixth, 3);
	EXPECT(&a, sixth, WRITTEN, WRITTEN, 0);
	peek_pages(&a, getpid(), sixth, 3);
	EXPECT(&a, third, DEACT, 0, DEACT);
	deactivate(&a);
	/* deactivating is no writing, and forgets no write */
	EXPECT(&a, sixth, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
}

/* Without write-protection a thawed page is written to right away. */
static void write_thaws_minor_only(void)
{
	struct area a;

	area_init_cold(&a, MINOR);
	write_pages(&a, even, 2);
	EXPECT(&a, even, DEACT, 0, DEACT);
	deactivate(&a);
	check_pages(&a, even, 2);
	EXPECT(&a, even, DEACT, 0, DEACT);
	write_pages(&a, all, 3);
	check_pages(&a, all, 3);
}

/* What was only ever read is the zero page, which is nobody's own. */
static void zero_page(void)
{
	struct area a;

	area_map(&a, PAGES, page_size);
	touch_pages(&a, all);
	area_register(&a, MINOR_WP);
	arm(&a);
	deactivate(&a);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	check_zero(&a, third);
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	deactivate(&a);
	write_pages(&a, even, 2);
	EXPECT(&a, even, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, even, 2);
	for (size_t p = 1; p < PAGES; p += 2)
		CHECK_EQ(*(u64 *)page_of(&a, p), 0);
}

static void unpopulated(void)
{
	struct area a;
	long rss;

	area_map(&a, PAGES, page_size);
	write_pages(&a, even, 1);
	area_register(&a, MINOR_WP);
	rss = smaps_kb(&a, "Rss:");
	deactivate(&a);
	EXPECT(&a, even, DEACT | POPULATED, DEACT | PRESENT, 0);
	CHECK_EQ(smaps_kb(&a, "Rss:"), rss);
	for (size_t p = 1; p < PAGES; p += 2)
		CHECK_EQ(pagemap_entry(&a, p) & ~PM_SOFT_DIRTY, 0);
	touch_pages(&a, all);
	EXPECT(&a, all, DEACT | PRESENT, PRESENT, 0);
	check_pages(&a, even, 1);
	for (size_t p = 1; p < PAGES; p += 2)
		CHECK_EQ(*(u64 *)page_of(&a, p), 0);
}

/* -- tests: accesses by the kernel on the process's behalf */

static void kernel_reads(void)
{
	u64 buf[page_size / sizeof(u64)];
	struct area a;
	int fd[2];

	CHECK(!pipe(fd));
	area_init_cold(&a, MINOR_WP);
	for (size_t p = 0; p < PAGES; p += 3) {
		CHECK_EQ(write(fd[1], page_of(&a, p), page_size), page_size);
		CHECK_EQ(read(fd[0], buf, page_size), page_size);
		check_words(buf, p, 1);
	}
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
}

static void kernel_writes(void)
{
	u64 buf[page_size / sizeof(u64)];
	struct area a;
	int fd[2];

	CHECK(!pipe(fd));
	area_init_cold(&a, MINOR_WP);
	for (size_t p = 0; p < PAGES; p += 3) {
		for (size_t i = 0; i < ARRAY_SIZE(buf); i++)
			buf[i] = word_of(2, p, i);
		CHECK_EQ(write(fd[1], buf, page_size), page_size);
		CHECK_EQ(read(fd[0], page_of(&a, p), page_size), page_size);
	}
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, third, 2);
}

/* Futexes are read and written with page faults disabled at first. */
static void futex_accesses(void)
{
	struct timespec zero = { 0 };
	struct area a;

	area_init_cold(&a, MINOR_WP);
	CHECK(syscall(SYS_futex, page_of(&a, 0), FUTEX_WAIT_PRIVATE, -1,
		      &zero, NULL, 0) == -1 && errno == EAGAIN);
	EXPECT(&a, first, DEACT | WRITTEN, 0, DEACT);
	deactivate(&a);
	CHECK(syscall(SYS_futex, page_of(&a, 1), FUTEX_WAKE_OP_PRIVATE, 1, 1,
		      page_of(&a, 0), FUTEX_OP(FUTEX_OP_SET, 77,
					       FUTEX_OP_CMP_EQ, 0)) == 0);
	scan(&a, POPULATED, 0);
	CHECK_EQ(cats[0] & (DEACT | WRITTEN), WRITTEN);
	CHECK_EQ(cats[2] & (DEACT | WRITTEN), DEACT);
	CHECK_EQ(*(int *)a.mem, 77);
}

/* -- tests: accesses from outside */

static void vm_readv_leaves_cold(void)
{
	struct area a;
	struct target t = target_start(&a, MINOR_WP);

	peek_pages(&a, t.pid, all, 1);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	target_end(&t);
}

static int open_mem(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		skip("%s: %s", path, strerror(errno));
	return fd;
}

static void proc_mem_read_leaves_cold(void)
{
	u64 buf[page_size / sizeof(u64)];
	struct area a;
	struct target t = target_start(&a, MINOR_WP);
	int fd = open_mem(t.pid);

	for (size_t p = 0; p < PAGES; p++) {
		CHECK_EQ(pread(fd, buf, page_size, (uintptr_t)page_of(&a, p)),
			 page_size);
		check_words(buf, p, 1);
	}
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	target_end(&t);
}

static void ptrace_stop(pid_t pid)
{
	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL))
		skip("PTRACE_ATTACH: %s", strerror(errno));
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static void ptrace_peek_leaves_cold(void)
{
	struct area a;
	struct target t = target_start(&a, MINOR_WP);
	long word;

	ptrace_stop(t.pid);
	for (size_t p = 0; p < PAGES; p++) {
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, t.pid, page_of(&a, p), NULL);
		CHECK_EQ(errno, 0);
		CHECK_EQ(word, word_of(1, p, 0));
	}
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	CHECK(!ptrace(PTRACE_DETACH, t.pid, NULL, NULL));
	target_end(&t);
}

/* The whole page p of seed 2 */
static void poke_vm_writev(const struct area *a, pid_t pid, size_t page)
{
	u64 buf[page_size / sizeof(u64)];
	struct iovec local = { .iov_base = buf, .iov_len = page_size };
	struct iovec remote = { .iov_base = page_of(a, page),
				.iov_len = page_size };

	for (size_t i = 0; i < ARRAY_SIZE(buf); i++)
		buf[i] = word_of(2, page, i);
	CHECK_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), page_size);
}

static void poke_proc_mem(const struct area *a, pid_t pid, size_t page)
{
	u64 buf[page_size / sizeof(u64)];
	int fd = open_mem(pid);

	for (size_t i = 0; i < ARRAY_SIZE(buf); i++)
		buf[i] = word_of(2, page, i);
	CHECK_EQ(pwrite(fd, buf, page_size, (uintptr_t)page_of(a, page)),
		 page_size);
	close(fd);
}

static void expect_poke_thaws(void (*poke)(const struct area *, pid_t, size_t),
			      u64 mode)
{
	const u64 mask = mode == MINOR_WP ? DEACT | WRITTEN : DEACT;
	struct area a;
	struct target t = target_start(&a, mode);

	for (size_t p = 0; p < PAGES; p += 3)
		poke(&a, t.pid, p);
	EXPECT(&a, third, mask, mask & WRITTEN, DEACT);
	peek_pages(&a, t.pid, third, 2);
	target_end(&t);
}

static void vm_writev_thaws(void)
{
	expect_poke_thaws(poke_vm_writev, MINOR_WP);
	expect_poke_thaws(poke_vm_writev, MINOR);
}

static void proc_mem_write_thaws(void)
{
	expect_poke_thaws(poke_proc_mem, MINOR_WP);
	expect_poke_thaws(poke_proc_mem, MINOR);
}

/*
 * A debugger writes where the process may not. That goes through no fault as
 * long as the page is an anonymous one of this process alone.
 */
static void forced_write(u64 mode)
{
	const u64 mask = mode == MINOR_WP ? DEACT | WRITTEN : DEACT;
	struct area a;

	area_init(&a, mode);
	CHECK(!mprotect(a.mem, PAGES * page_size, PROT_READ));
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	for (size_t p = 0; p < PAGES; p += 3)
		poke_proc_mem(&a, getpid(), p);
	EXPECT(&a, third, mask, mask & WRITTEN, DEACT);
	check_pages(&a, third, 2);
}

static void forced_write_thaws(void)
{
	forced_write(MINOR);
}

static void forced_write_thaws_wp(void)
{
	forced_write(MINOR_WP);
}

/* -- tests: pages pinned for a device */

/* Returns a ring with the pages of middle() registered as fixed buffer. */
static int ring_pin_middle(const struct area *a)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { .iov_base = page_of(a, PAGES / 3),
			     .iov_len = PAGES / 3 * page_size };
	int fd = syscall(SYS_io_uring_setup, 1, &params);

	if (fd < 0)
		skip("io_uring_setup: %s", strerror(errno));
	CHECK(!syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov,
		       1));
	return fd;
}

static void pinned_stays_active(void)
{
	struct area a;
	int ring;

	area_init(&a, MINOR_WP);
	ring = ring_pin_middle(&a);
	deactivate(&a);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	CHECK(!syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS,
		       NULL, 0));
	/* the pins may be dropped a little later */
	for (int i = 0; i < 100; i++) {
		deactivate(&a);
		scan(&a, POPULATED, 0);
		if (count(&a, DEACT) == PAGES)
			break;
		usleep(20000);
	}
	MATCH(&a, all, DEACT, DEACT, 0);
	check_pages(&a, all, 1);
}

static void pinning_thaws(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	ring_pin_middle(&a);
	EXPECT(&a, middle, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, all, 1);
}

/* -- tests: the other bits of an entry */

static void clear_soft_dirty(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, "4", 1) == 1);
	close(fd);
}

static void soft_dirty_survives(void)
{
	struct area a;

	area_init(&a, MINOR);
	clear_soft_dirty();
	write_pages(&a, even, 2);
	if (!(pagemap_entry(&a, 0) & PM_SOFT_DIRTY))
		skip("no soft-dirty tracking");
	EXPECT_BIT(&a, PM_SOFT_DIRTY, even);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, even);
	touch_pages(&a, all);
	EXPECT(&a, all, DEACT, 0, 0);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, even);
	deactivate(&a);
	write_pages(&a, third, 3);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, even_or_third);
	deactivate(&a);
	clear_soft_dirty();
	EXPECT_BIT(&a, PM_SOFT_DIRTY, none);
	touch_pages(&a, even);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, none);
	write_pages(&a, third, 4);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, third);
}

static void uffd_wp_survives(void)
{
	struct area a;

	area_init(&a, MINOR_WP);
	EXPECT_BIT(&a, PM_UFFD_WP, all);
	writeprotect(&a, false);
	EXPECT_BIT(&a, PM_UFFD_WP, none);
	deactivate(&a);
	EXPECT_BIT(&a, PM_UFFD_WP, none);
	write_pages(&a, all, 2);
	arm(&a);
	deactivate(&a);
	EXPECT_BIT(&a, PM_UFFD_WP, all);
	touch_pages(&a, even);
	EXPECT_BIT(&a, PM_UFFD_WP, all);
	write_pages(&a, even, 3);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(!(pagemap_entry(&a, p) & PM_UFFD_WP), even(p));
	deactivate(&a);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(!(pagemap_entry(&a, p) & PM_UFFD_WP), even(p));
	EXPECT(&a, even, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
}

static void writeprotect_keeps_cold(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	check_pages(&a, third, 1);
	writeprotect(&a, false);
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, DEACT | WRITTEN);
	writeprotect(&a, true);
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	write_pages(&a, even, 2);
	EXPECT(&a, even, WRITTEN, WRITTEN, 0);
	EXPECT(&a, even_or_third, DEACT, 0, DEACT);
	check_pages(&a, even, 2);
}

/* -- tests: mprotect */

static sigjmp_buf segv_env;

static void on_segv(int sig)
{
	siglongjmp(segv_env, sig);
}

static void expect_segv(char *addr, bool write)
{
	struct sigaction sa = { .sa_handler = on_segv };

	CHECK(!sigaction(SIGSEGV, &sa, NULL));
	if (!sigsetjmp(segv_env, 1)) {
		if (write)
			*(volatile char *)addr = 0;
		else
			(void)*(volatile char *)addr;
		fail("no SIGSEGV at page offset of %p", addr);
	}
	signal(SIGSEGV, SIG_DFL);
}

static void protect_middle(const struct area *a, int prot)
{
	CHECK(!mprotect(page_of(a, PAGES / 3), PAGES / 3 * page_size, prot));
}

static void prot_none_is_not_cold(void)
{
	struct area a;

	area_init(&a, MINOR_WP);
	protect_middle(&a, PROT_NONE);
	EXPECT(&a, all, DEACT, 0, 0);
	deactivate(&a);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	expect_segv(page_of(&a, PAGES / 3), false);
	protect_middle(&a, PROT_READ | PROT_WRITE);
	EXPECT(&a, middle, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, middle, 1);
	write_pages(&a, middle, 2);
	EXPECT(&a, middle, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, not_middle, 1);
}

/* Registered while it is inaccessible, which leaves nothing to tell by. */
static void prot_none_registered(void)
{
	struct area a;

	area_map(&a, PAGES, page_size);
	write_pages(&a, all, 1);
	protect_middle(&a, PROT_NONE);
	area_register(&a, MINOR);
	EXPECT(&a, all, DEACT, 0, 0);
	protect_middle(&a, PROT_READ | PROT_WRITE);
	EXPECT(&a, all, DEACT, 0, 0);
	protect_middle(&a, PROT_NONE);
	unregister(&a, 0, PAGES);
	expect_segv(page_of(&a, PAGES / 3), false);
	protect_middle(&a, PROT_READ | PROT_WRITE);
	check_pages(&a, all, 1);
}

static void cold_through_prot_none(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	write_pages(&a, third, 2);
	protect_middle(&a, PROT_NONE);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(cats[p] & DEACT, middle(p) || third(p) ? 0 : DEACT);
	protect_middle(&a, PROT_READ | PROT_WRITE);
	scan(&a, POPULATED, 0);
	MATCH(&a, third, WRITTEN, WRITTEN, 0);
	for (size_t p = 0; p < PAGES; p++)
		if (third(p) || !middle(p))
			CHECK_EQ(cats[p] & DEACT, third(p) ? 0 : DEACT);
	check_pages(&a, third, 2);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	write_pages(&a, all, 3);
	EXPECT(&a, all, DEACT | WRITTEN, WRITTEN, 0);
}

/* Giving access back gives no more than the VMA has. */
static void read_only_stays_read_only(void)
{
	struct area a;

	area_init(&a, MINOR_WP);
	CHECK(!mprotect(a.mem, PAGES * page_size, PROT_READ));
	deactivate(&a);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	expect_segv(page_of(&a, 1), true);
	check_pages(&a, even, 1);
	expect_segv(page_of(&a, 0), true);
	scan(&a, POPULATED, 0);
	MATCH(&a, all, WRITTEN, 0, 0);
	deactivate(&a);
	unregister(&a, 0, PAGES);
	expect_segv(page_of(&a, 0), true);
	check_pages(&a, all, 1);
}

/* -- tests: the end of the registration */

static void expect_ordinary(const struct area *a, u64 seed)
{
	EXPECT(a, all, DEACT | PRESENT, PRESENT, 0);
	check_pages(a, all, seed);
	write_pages(a, all, 9);
	check_pages(a, all, 9);
}

static void unregister_thaws(void)
{
	long faults;
	struct area a;

	for (int wp = 0; wp < 2; wp++) {
		area_init_cold(&a, wp ? MINOR_WP : MINOR);
		unregister(&a, 0, PAGES);
		faults = numa_hint_faults();
		expect_ordinary(&a, 1);
		CHECK_EQ(numa_hint_faults() - faults, 0);
		CHECK_EQ(try_deactivate(&a, 0, PAGES), -ENOENT);
		/* nothing comes back with a new registration */
		CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), 0);
		EXPECT(&a, all, DEACT, 0, 0);
	}
}

static void unregister_part(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	unregister(&a, PAGES / 3, PAGES / 3);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	write_pages(&a, middle, 2);
	check_pages(&a, middle, 2);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	check_pages(&a, not_middle, 1);
}

static void last_close_thaws(void)
{
	long faults;
	struct area a;
	int copy;

	area_init_cold(&a, MINOR_WP);
	copy = dup(a.uffd);
	CHECK(copy >= 0);
	close(a.uffd);
	EXPECT(&a, all, DEACT, DEACT, 0);
	close(copy);
	faults = numa_hint_faults();
	expect_ordinary(&a, 1);
	CHECK_EQ(numa_hint_faults() - faults, 0);
}

/* The holder deactivates in a loop until it is killed in the middle of it. */
static void __attribute__((noreturn)) holder_main(const struct area *a,
						  int ready)
{
	char c = 0;

	deactivate(a);
	EXPECT(a, all, DEACT, DEACT, 0);
	CHECK(write(ready, &c, 1) == 1);
	while (1)
		deactivate(a);
}

static void holder_killed(void)
{
	struct area a;
	int ready[2];
	pid_t pid;
	char c;

	CHECK(!pipe(ready));
	area_init(&a, MINOR_WP);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		holder_main(&a, ready[1]);
	close(ready[1]);
	close(a.uffd);
	if (read(ready[0], &c, 1) != 1)
		join_child(pid);
	for (u64 seed = 1; seed <= 20; seed++) {
		check_pages(&a, all, seed);
		write_pages(&a, all, seed + 1);
	}
	CHECK(!kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	expect_ordinary(&a, 21);
	a.uffd = open_uffd(FEATURES);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), 0);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
}

/* -- tests: fork and mremap */

static void __attribute__((noreturn)) fork_child(struct area *a)
{
	long faults = numa_hint_faults();

	a->pagemap = open_pagemap(getpid());
	EXPECT(a, all, DEACT | PRESENT, PRESENT, 0);
	check_pages(a, even, 1);
	write_pages(a, all, 5);
	check_pages(a, all, 5);
	CHECK_EQ(numa_hint_faults() - faults, 0);
	_exit(0);
}

static void expect_fork_isolates(struct area *a)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		fork_child(a);
	join_child(pid);
	EXPECT(a, all, DEACT | WRITTEN, DEACT, 0);
	check_pages(a, all, 1);
	EXPECT(a, all, DEACT | WRITTEN, 0, 0);
}

static void fork_child_is_free(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	expect_fork_isolates(&a);
}

/* The parent's first write after the fork has to copy, thaw and be noticed. */
static void fork_parent_writes(void)
{
	struct area a;
	int go[2];
	pid_t pid;
	char c;

	CHECK(!pipe(go));
	area_init_cold(&a, MINOR_WP);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(go[1]);
		CHECK(read(go[0], &c, 1) == 0);
		check_pages(&a, all, 1);
		_exit(0);
	}
	write_pages(&a, third, 2);
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, DEACT);
	close(go[1]);
	join_child(pid);
	check_pages(&a, third, 2);
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, DEACT);
}

/* Moves the area to a place with the same offset in a huge page, or not. */
static void expect_mremap_frees(struct area *a, size_t align, size_t shift)
{
	size_t len = a->pages * page_size;
	struct area to;
	long faults;
	char *mem;

	area_map(&to, a->pages + shift, align);
	mem = mremap(a->mem, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
		     page_of(&to, shift));
	CHECK(mem == page_of(&to, shift));
	a->mem = mem;
	faults = numa_hint_faults();
	expect_ordinary(a, 1);
	CHECK_EQ(numa_hint_faults() - faults, 0);
	CHECK_EQ(try_deactivate(a, 0, a->pages), -ENOENT);
}

static void mremap_thaws(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	expect_mremap_frees(&a, page_size, 0);
}

/* Whole page tables could be moved without a look at the entries. */
static void mremap_aligned_thaws(void)
{
	const size_t align = 2 << 20;
	struct area a;

	area_init_aligned(&a, 2 * align / page_size, align, MINOR);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	expect_mremap_frees(&a, align, 0);
}

/* -- tests: huge pages */

static size_t huge_pages(void)
{
	long size = file_number(
		"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");

	if (size <= 0)
		skip("no transparent huge pages");
	return size / page_size;
}

static void huge_map(struct area *a)
{
	size_t pages = huge_pages();

	area_map(a, pages, pages * page_size);
	CHECK(!madvise(a->mem, pages * page_size, MADV_HUGEPAGE));
}

/* One huge page with seed 1, registered and write-protected as mode says */
static void huge_init(struct area *a, u64 mode)
{
	long kb;

	huge_map(a);
	write_pages(a, all, 1);
	kb = a->pages * page_size / 1024;
	if (smaps_kb(a, "AnonHugePages:") != kb)
		skip("got no huge page");
	area_register(a, mode);
	if (mode & UFFDIO_REGISTER_MODE_WP)
		arm(a);
	EXPECT(a, all, HUGE, HUGE, 0);
}

static void huge_init_cold(struct area *a, u64 mode)
{
	huge_init(a, mode);
	deactivate(a);
	EXPECT(a, all, DEACT | HUGE | PRESENT, DEACT | HUGE | PRESENT, 0);
}

static void thp_whole(void)
{
	struct area a;
	long rss;

	huge_init(&a, MINOR_WP);
	rss = smaps_kb(&a, "Rss:");
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE, 0);
	CHECK_EQ(smaps_kb(&a, "Rss:"), rss);
	peek_pages(&a, getpid(), sixth, 1);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE, 0);
	touch_pages(&a, first);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, HUGE, 0);
	check_pages(&a, all, 1);
}

static void thp_write_minor_only(void)
{
	struct area a;

	huge_init_cold(&a, MINOR);
	write_pages(&a, third, 2);
	EXPECT(&a, all, DEACT | HUGE, HUGE, 0);
	check_pages(&a, third, 2);
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE, DEACT | HUGE, 0);
	check_pages(&a, third, 2);
}

static void thp_partial(void)
{
	struct area a;

	huge_init(&a, MINOR_WP);
	CHECK_EQ(try_deactivate(&a, PAGES / 3, PAGES / 3), 0);
	EXPECT(&a, middle, DEACT | WRITTEN, DEACT, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
}

/* Who writes one page has not used the other 511. */
static void thp_write_one(void)
{
	struct area a;

	huge_init_cold(&a, MINOR_WP);
	write_pages(&a, first, 2);
	EXPECT(&a, first, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, first, 2);
	for (size_t p = 1; p < a.pages; p++)
		CHECK_EQ(*(u64 *)page_of(&a, p), word_of(1, p, 0));
}

/* The same by get_user_pages, which follows the entry on its own. */
static void thp_vm_writev_one(void)
{
	struct area a;

	huge_init_cold(&a, MINOR_WP);
	poke_vm_writev(&a, getpid(), 0);
	EXPECT(&a, first, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, first, 2);
}

static void thp_forced_write_thaws(void)
{
	struct area a;

	huge_init(&a, MINOR);
	CHECK(!mprotect(a.mem, a.pages * page_size, PROT_READ));
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE, DEACT | HUGE, 0);
	poke_proc_mem(&a, getpid(), 0);
	scan(&a, POPULATED, 0);
	CHECK_EQ(cats[0] & DEACT, 0);
	check_pages(&a, first, 2);
}

static void thp_writeprotect_keeps_cold(void)
{
	struct area a;

	huge_init_cold(&a, MINOR_WP);
	writeprotect(&a, false);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE | WRITTEN, 0);
	writeprotect(&a, true);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | HUGE | WRITTEN, HUGE, 0);
}

/* A part that is unregistered or protected takes its part of the huge page. */
static void thp_split_keeps_cold(void)
{
	struct area a;

	huge_init_cold(&a, MINOR_WP);
	protect_middle(&a, PROT_READ);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < a.pages; p++)
		if (!middle(p))
			CHECK_EQ(cats[p] & (DEACT | HUGE | WRITTEN), DEACT);
	unregister(&a, PAGES / 3, PAGES / 3);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	CHECK(!madvise(page_of(&a, PAGES + 1), page_size, MADV_DONTNEED));
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < a.pages; p++)
		CHECK_EQ(cats[p] & DEACT,
			 p == PAGES + 1 || middle(p) ? 0 : DEACT);
	check_pages(&a, middle, 1);
	check_pages(&a, even, 1);
}

static void thp_unregister_thaws(void)
{
	struct area a;

	huge_init_cold(&a, MINOR_WP);
	unregister(&a, 0, a.pages);
	EXPECT(&a, all, DEACT | HUGE, HUGE, 0);
	expect_ordinary(&a, 1);
}

static void thp_fork(void)
{
	struct area a;

	huge_init_cold(&a, MINOR_WP);
	expect_fork_isolates(&a);
}

static void thp_mremap_thaws(void)
{
	struct area a;

	huge_init_cold(&a, MINOR_WP);
	expect_mremap_frees(&a, a.pages * page_size, 0);
}

/* To where no huge page fits, so that it is split on the way */
static void thp_mremap_split_thaws(void)
{
	struct area a;

	huge_init_cold(&a, MINOR);
	expect_mremap_frees(&a, a.pages * page_size, 1);
}

static void huge_zero_init_cold(struct area *a)
{
	huge_map(a);
	touch_pages(a, first);
	area_register(a, MINOR_WP);
	scan(a, POPULATED, SCAN_ARM);
	if (!(cats[1] & HUGE))
		skip("got no huge zero page");
	deactivate(a);
	EXPECT(a, all, DEACT | HUGE | WRITTEN, DEACT | HUGE, 0);
}

static void thp_zero_page(void)
{
	struct area a;

	huge_zero_init_cold(&a);
	check_zero(&a, first);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
	deactivate(&a);
	write_pages(&a, first, 2);
	EXPECT(&a, first, WRITTEN, WRITTEN, 0);
	check_pages(&a, first, 2);
	for (size_t p = 1; p < a.pages; p++)
		CHECK_EQ(*(u64 *)page_of(&a, p), 0);
}

static void thp_zero_split_keeps_cold(void)
{
	struct area a;

	huge_zero_init_cold(&a);
	unregister(&a, PAGES / 3, PAGES / 3);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	check_zero(&a, all);
	write_pages(&a, even, 2);
	check_pages(&a, even, 2);
}

static void thp_soft_dirty_survives(void)
{
	struct area a;

	huge_init(&a, MINOR);
	clear_soft_dirty();
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, none);
	touch_pages(&a, first);
	EXPECT_BIT(&a, PM_SOFT_DIRTY, none);
	deactivate(&a);
	write_pages(&a, first, 2);
	if (!(pagemap_entry(&a, 0) & PM_SOFT_DIRTY))
		fail("a write after clear_refs is not soft-dirty");
	deactivate(&a);
	CHECK_EQ(!(pagemap_entry(&a, 0) & PM_SOFT_DIRTY), 0);
	check_pages(&a, first, 2);
}

/* May drop the state, but makes up none and loses no write. */
static void collapse(void)
{
	struct area a;
	size_t pages = huge_pages();

	area_init_aligned(&a, pages, pages * page_size, MINOR);
	deactivate(&a);
	check_pages(&a, third, 1);
	CHECK(!madvise(a.mem, pages * page_size, MADV_HUGEPAGE));
	if (madvise(a.mem, pages * page_size, MADV_COLLAPSE))
		skip("MADV_COLLAPSE: %s", strerror(errno));
	EXPECT(&a, all, DEACT | HUGE, HUGE, 0);
	check_pages(&a, all, 1);
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE, DEACT | HUGE, 0);
	check_pages(&a, all, 1);
}

/* -- tests: pages that go away, move, and come back */

static void dontneed(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	CHECK(!madvise(page_of(&a, PAGES / 3), PAGES / 3 * page_size,
		       MADV_DONTNEED));
	EXPECT(&a, middle, DEACT | PRESENT, 0, DEACT | PRESENT);
	check_zero(&a, middle);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	check_pages(&a, not_middle, 1);
}

/* Swaps out what it can of the area; skips the test without swap. */
static void swap_out(const struct area *a)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[256];
	int lines = 0;

	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (lines < 2)
		skip("no swap");
	fclose(f);
	/* pages in another CPU's LRU batch are passed over at first */
	for (int i = 0; i < 50; i++) {
		CHECK(!madvise(a->mem, a->pages * page_size, MADV_PAGEOUT));
		scan(a, POPULATED, 0);
		if (count(a, SWAPPED) == a->pages)
			return;
		usleep(20000);
	}
	if (count(a, SWAPPED) < a->pages / 2)
		fail("%zu of %zu pages swapped out", count(a, SWAPPED),
		     a->pages);
}

static void swap_keeps_content(void)
{
	struct area a;

	area_init_cold(&a, MINOR_WP);
	check_pages(&a, third, 1);
	swap_out(&a);
	for (size_t p = 0; p < PAGES; p++)
		if (third(p))
			CHECK_EQ(cats[p] & DEACT, 0);
	peek_pages(&a, getpid(), all, 1);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < PAGES; p++)
		if (third(p))
			CHECK_EQ(cats[p] & DEACT, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	write_pages(&a, all, 2);
	check_pages(&a, all, 2);
	EXPECT(&a, all, WRITTEN, WRITTEN, 0);
}

static void swap_keeps_written(void)
{
	struct area a;

	area_init(&a, MINOR_WP);
	write_pages(&a, third, 2);
	deactivate(&a);
	EXPECT(&a, third, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
	swap_out(&a);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	deactivate(&a);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	check_pages(&a, third, 2);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	write_pages(&a, even, 3);
	EXPECT(&a, even_or_third, WRITTEN, WRITTEN, 0);
	touch_pages(&a, all);
	deactivate(&a);
	EXPECT(&a, even_or_third, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
	check_pages(&a, even, 3);
}

static void thp_swap(void)
{
	struct area a;

	huge_init_cold(&a, MINOR_WP);
	write_pages(&a, first, 2);
	swap_out(&a);
	EXPECT(&a, first, WRITTEN, WRITTEN, 0);
	check_pages(&a, first, 2);
	for (size_t p = 1; p < a.pages; p++)
		CHECK_EQ(*(u64 *)page_of(&a, p), word_of(1, p, 0));
	EXPECT(&a, first, DEACT | WRITTEN, WRITTEN, 0);
}

/* Returns how many pages are on the node afterwards. */
static size_t migrate(const struct area *a, int node)
{
	static void *addrs[MAX_PAGES];
	static int nodes[MAX_PAGES], status[MAX_PAGES];
	size_t n = 0;

	for (size_t p = 0; p < a->pages; p++) {
		addrs[p] = page_of(a, p);
		nodes[p] = node;
	}
	CHECK(syscall(SYS_move_pages, 0, a->pages, addrs, nodes, status,
		      1 << 1 /* MPOL_MF_MOVE */) >= 0);
	for (size_t p = 0; p < a->pages; p++)
		n += status[p] == node;
	return n;
}

static void need_two_nodes(void)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		skip("one NUMA node only");
}

static void migration(void)
{
	struct area a;

	need_two_nodes();
	area_init(&a, MINOR_WP);
	write_pages(&a, third, 2);
	deactivate(&a);
	check_pages(&a, sixth, 2);
	migrate(&a, 0);
	CHECK_EQ(migrate(&a, 1), PAGES);
	scan(&a, POPULATED, 0);
	MATCH(&a, third, WRITTEN, WRITTEN, 0);
	for (size_t p = 0; p < PAGES; p += 6)
		CHECK_EQ(cats[p] & DEACT, 0);
	check_pages(&a, third, 2);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	deactivate(&a);
	EXPECT(&a, third, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
	write_pages(&a, all, 3);
	check_pages(&a, all, 3);
	EXPECT(&a, all, DEACT | WRITTEN, WRITTEN, 0);
}

/* -- tests: threads against deactivation and scans */

/*
 * Each thread counts its accesses to a page around each of them, outside of the
 * area. An access that began after DEACTIVATE returned and ended before the
 * scan must have thawed its page. And a write that ended before the scan must
 * be in the mirror afterwards, into which the pages reported as written are
 * copied after each scan, as a checkpoint does.
 */
static struct stress {
	struct area a;
	void (*disturb)(struct stress *s);
	unsigned int rounds;
	_Atomic bool stop;
	_Atomic u64 begun[MAX_PAGES];
	_Atomic u64 ended[MAX_PAGES];
	_Atomic u64 value[MAX_PAGES];	/* last one written completely */
	u64 mirror[MAX_PAGES];
	size_t thawed, cold, written;
} stress;

static void stress_access(struct stress *s, size_t page, bool write)
{
	volatile u64 *w = (u64 *)page_of(&s->a, page);
	const size_t last = page_size / sizeof(*w) - 1;
	u64 n = s->begun[page] + 1, value = s->value[page];

	s->begun[page] = n;
	if (write) {
		w[0] = value + 1;
		w[last] = value + 1;
		s->value[page] = value + 1;
	} else if (w[0] != value || w[last] != value) {
		fail("page %zu holds %llu and %llu, not %llu", page,
		     (unsigned long long)w[0], (unsigned long long)w[last],
		     (unsigned long long)value);
	}
	s->ended[page] = n;
}

static void *stress_thread(void *arg)
{
	struct stress *s = &stress;
	const size_t id = (uintptr_t)arg;
	const size_t share = s->a.pages / STRESS_THREADS;
	unsigned int seed = id + 1;
	size_t page;

	while (!s->stop) {
		/* mostly a quarter of the pages, so that some stay cold */
		page = rand_r(&seed) % (rand_r(&seed) % 64 ? share / 4 : share);
		stress_access(s, id * share + page, rand_r(&seed) % 2);
		if (!(rand_r(&seed) % 128))
			usleep(500);
	}
	return NULL;
}

static void stress_mirror(struct stress *s, const u64 *ended_by)
{
	struct iovec local, remote;

	for (size_t p = 0; p < s->a.pages; p++) {
		if (cats[p] & WRITTEN) {
			local = (struct iovec){ &s->mirror[p], sizeof(u64) };
			remote = (struct iovec){ page_of(&s->a, p),
						 sizeof(u64) };
			CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote,
						  1, 0), sizeof(u64));
			s->written++;
		}
		if (s->mirror[p] < ended_by[p])
			fail("round %u: page %zu was written (%llu, known %llu)"
			     " and not reported, categories %#llx",
			     s->rounds, p,
			     (unsigned long long)ended_by[p],
			     (unsigned long long)s->mirror[p],
			     (unsigned long long)cats[p]);
	}
}

static void stress_round(struct stress *s)
{
	static u64 mark[MAX_PAGES], ended[MAX_PAGES], value[MAX_PAGES];

	deactivate(&s->a);
	for (size_t p = 0; p < s->a.pages; p++)
		mark[p] = s->begun[p];
	usleep(2000);
	if (s->disturb)
		s->disturb(s);
	for (size_t p = 0; p < s->a.pages; p++) {
		ended[p] = s->ended[p];
		value[p] = s->value[p];
	}
	scan(&s->a, POPULATED, SCAN_ARM);
	for (size_t p = 0; p < s->a.pages; p++)
		if (cats[p] & DEACT && ended[p] > mark[p])
			fail("round %u: page %zu was accessed and is still "
			     "deactivated, categories %#llx", s->rounds, p,
			     (unsigned long long)cats[p]);
	s->cold += count(&s->a, DEACT);
	s->thawed += s->a.pages - count(&s->a, DEACT);
	stress_mirror(s, value);
	s->rounds++;
}

static void stress_finish(struct stress *s)
{
	static u64 value[MAX_PAGES];

	for (size_t p = 0; p < s->a.pages; p++)
		value[p] = s->value[p];
	scan(&s->a, POPULATED, SCAN_ARM);
	stress_mirror(s, value);
	for (size_t p = 0; p < s->a.pages; p++) {
		CHECK_EQ(s->mirror[p], value[p]);
		stress_access(s, p, false);
		for (size_t i = 1; i < page_size / sizeof(u64) - 1; i++)
			CHECK_EQ(((u64 *)page_of(&s->a, p))[i], 0);
	}
	/* a test in which nothing ever happened proves nothing */
	CHECK(s->rounds > 3 && s->cold && s->thawed && s->written);
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* The area is in stress.a, mapped and filled with zeros */
static void stress_run(void (*disturb)(struct stress *s))
{
	pthread_t threads[STRESS_THREADS];
	struct stress *s = &stress;
	u64 end = now_ms() + STRESS_MS;

	s->disturb = disturb;
	area_register(&s->a, MINOR_WP);
	arm(&s->a);
	for (uintptr_t i = 0; i < STRESS_THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, stress_thread,
				      (void *)i));
	while (now_ms() < end)
		stress_round(s);
	s->stop = true;
	for (int i = 0; i < STRESS_THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	stress_finish(s);
}

static void stress_small(void (*disturb)(struct stress *s))
{
	area_map(&stress.a, 256, page_size);
	memset(stress.a.mem, 0, stress.a.pages * page_size);
	stress_run(disturb);
}

static void threads(void)
{
	stress_small(NULL);
}

static void threads_thp(void)
{
	huge_map(&stress.a);
	memset(stress.a.mem, 0, stress.a.pages * page_size);
	stress_run(NULL);
}

static void disturb_fork(struct stress *s)
{
	pid_t pid;

	if (s->rounds % 4)
		return;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(0);
	join_child(pid);
}

static void threads_fork(void)
{
	stress_small(disturb_fork);
}

static void disturb_pageout(struct stress *s)
{
	size_t half = s->a.pages / 2;

	CHECK(!madvise(page_of(&s->a, s->rounds % 2 * half), half * page_size,
		       MADV_PAGEOUT));
}

static void threads_pageout(void)
{
	struct area a;

	area_init(&a, MINOR_WP);
	swap_out(&a);
	stress_small(disturb_pageout);
}

static void disturb_migrate(struct stress *s)
{
	migrate(&s->a, s->rounds % 2);
}

static void threads_migrate(void)
{
	need_two_nodes();
	stress_small(disturb_migrate);
}

static void disturb_mprotect(struct stress *s)
{
	size_t len = s->a.pages * page_size;

	/* this may open all pages, so leave rounds in which some stay cold */
	if (s->rounds % 2)
		return;
	CHECK(!mprotect(s->a.mem, len, PROT_READ | PROT_WRITE | PROT_EXEC));
	CHECK(!mprotect(s->a.mem, len, PROT_READ | PROT_WRITE));
}

static void threads_mprotect(void)
{
	stress_small(disturb_mprotect);
}

/* -- running them */

#define TEST(name) { #name, name }

static const struct test {
	const char *name;
	void (*run)(void);
} tests[] = {
	TEST(features_ioctls),
	TEST(anon_needs_both_features),
	TEST(shmem_refused),
	TEST(hugetlb_refused),
	TEST(sync_mode_refused),
	TEST(bad_arguments),
	TEST(hole),
	TEST(part_unregistered),
	TEST(part_wp_only),
	TEST(part_of_another_uffd),
	TEST(mm_gone),
	TEST(stays_resident),
	TEST(part_of_range),
	TEST(read_thaws),
	TEST(write_thaws),
	TEST(write_thaws_minor_only),
	TEST(zero_page),
	TEST(unpopulated),
	TEST(kernel_reads),
	TEST(kernel_writes),
	TEST(futex_accesses),
	TEST(vm_readv_leaves_cold),
	TEST(proc_mem_read_leaves_cold),
	TEST(ptrace_peek_leaves_cold),
	TEST(vm_writev_thaws),
	TEST(proc_mem_write_thaws),
	TEST(forced_write_thaws),
	TEST(forced_write_thaws_wp),
	TEST(pinned_stays_active),
	TEST(pinning_thaws),
	TEST(soft_dirty_survives),
	TEST(uffd_wp_survives),
	TEST(writeprotect_keeps_cold),
	TEST(prot_none_is_not_cold),
	TEST(prot_none_registered),
	TEST(cold_through_prot_none),
	TEST(read_only_stays_read_only),
	TEST(unregister_thaws),
	TEST(unregister_part),
	TEST(last_close_thaws),
	TEST(holder_killed),
	TEST(fork_child_is_free),
	TEST(fork_parent_writes),
	TEST(mremap_thaws),
	TEST(mremap_aligned_thaws),
	TEST(thp_whole),
	TEST(thp_write_minor_only),
	TEST(thp_partial),
	TEST(thp_write_one),
	TEST(thp_vm_writev_one),
	TEST(thp_forced_write_thaws),
	TEST(thp_writeprotect_keeps_cold),
	TEST(thp_split_keeps_cold),
	TEST(thp_unregister_thaws),
	TEST(thp_fork),
	TEST(thp_mremap_thaws),
	TEST(thp_mremap_split_thaws),
	TEST(thp_zero_page),
	TEST(thp_zero_split_keeps_cold),
	TEST(thp_soft_dirty_survives),
	TEST(collapse),
	TEST(dontneed),
	TEST(swap_keeps_content),
	TEST(swap_keeps_written),
	TEST(thp_swap),
	TEST(migration),
	TEST(threads),
	TEST(threads_thp),
	TEST(threads_fork),
	TEST(threads_pageout),
	TEST(threads_migrate),
	TEST(threads_mprotect),
};

/*
 * Runs a test in a child, and returns its wait status, or -1 if it is stuck in
 * the kernel where no signal reaches it.
 */
static int run_isolated(void (*run)(void))
{
	u64 end = now_ms() + STUCK_TIMEOUT_S * 1000;
	int status = -1;
	pid_t pid;

	report->why[0] = 0;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid) {
		setpgid(0, 0);
		alarm(TEST_TIMEOUT_S);
		run();
		_exit(0);
	}
	while (!waitpid(pid, &status, WNOHANG) && now_ms() < end)
		usleep(2000);
	/* what the test started and did not get to end */
	kill(-pid, SIGKILL);
	return status;
}

/* Prints the result, returns whether it counts as passed. */
static bool run_test(const struct test *test, size_t number)
{
	int status = run_isolated(test->run);

	if (status == 0)
		printf("ok %zu - %s\n", number, test->name);
	else if (status == -1)
		printf("not ok %zu - %s # unkillable after %d s\n", number,
		       test->name, STUCK_TIMEOUT_S);
	else if (WIFSIGNALED(status))
		printf("not ok %zu - %s # %s (signal %d)\n", number, test->name,
		       WTERMSIG(status) == SIGALRM ? "timeout" : "killed",
		       WTERMSIG(status));
	else if (WEXITSTATUS(status) == EXIT_SKIP)
		printf("ok %zu - %s # SKIP %s\n", number, test->name,
		       report->why);
	else
		printf("not ok %zu - %s # %s\n", number, test->name,
		       report->why);
	fflush(stdout);
	return status == 0 ||
	       (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP);
}

/* Feature bits may mean something else to another kernel, so do it. */
static void probe(void)
{
	struct area a;
	int err;

	area_map(&a, 1, page_size);
	write_pages(&a, all, 1);
	a.uffd = try_uffd(FEATURES);
	if (a.uffd < 0)
		skip("userfaultfd with features %#llx: %s",
		     (unsigned long long)FEATURES, strerror(-a.uffd));
	err = try_register(a.uffd, a.mem, 1, MINOR, NULL);
	if (err)
		skip("UFFDIO_REGISTER with MODE_MINOR on anonymous memory: %s",
		     strerror(-err));
	err = try_deactivate(&a, 0, 1);
	if (err)
		skip("UFFDIO_DEACTIVATE: %s", strerror(-err));
	a.pagemap = open_pagemap(getpid());
	EXPECT(&a, all, DEACT, DEACT, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT, 0, 0);
}

int main(int argc, char **argv)
{
	const char *filter = argc > 1 ? argv[1] : "";
	size_t planned = 0, number = 0, failed = 0;
	int status;

	page_size = sysconf(_SC_PAGESIZE);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		return EXIT_FAIL;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		planned += strstr(tests[i].name, filter) != NULL;
	if (!planned) {
		fprintf(stderr, "deactivate: no test has '%s' in its name\n",
			filter);
		return EXIT_FAIL;
	}
	status = run_isolated(probe);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
		printf("1..0 # SKIP %s\n", report->why);
		return EXIT_SKIP;
	}
	printf("1..%zu\n", planned);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		if (strstr(tests[i].name, filter))
			failed += !run_test(&tests[i], ++number);
	return failed ? EXIT_FAIL : 0;
}
