/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the kernel series share.
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
 *
 * In sync mode an access waits for UFFDIO_CONTINUE. So it is done by a thread
 * (struct access), or under a struct handler, a thread that resolves the faults
 * of the others and counts them page by page.
 */
#ifndef FRAZIL_TESTS_LIB_H
#define FRAZIL_TESTS_LIB_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "abi.h"

typedef uint64_t u64;
typedef int64_t s64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define DEACT ((u64)PAGE_IS_UFFD_DEACTIVATED)
#define WRITTEN ((u64)PAGE_IS_WRITTEN)
#define PRESENT ((u64)PAGE_IS_PRESENT)
#define SWAPPED ((u64)PAGE_IS_SWAPPED)
#define HUGE ((u64)PAGE_IS_HUGE)
#define POPULATED (PRESENT | SWAPPED)
#define SCAN_ARM (PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC)

/* What a userfaultfd is opened with: faults resolved by the kernel, or not */
#define SYNC ((u64)UFFD_FEATURE_MINOR_ANON | UFFD_FEATURE_WP_ASYNC)
#define ASYNC (SYNC | UFFD_FEATURE_MINOR_ASYNC)

#define MINOR UFFDIO_REGISTER_MODE_MINOR
#define MINOR_WP (UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP)

/* Flags of a message */
#define FLAG_MINOR ((u64)UFFD_PAGEFAULT_FLAG_MINOR)
#define FLAG_WRITE ((u64)UFFD_PAGEFAULT_FLAG_WRITE)

/* Bits of an entry of /proc/PID/pagemap */
#define PM_SOFT_DIRTY (1ULL << 55)
#define PM_UFFD_WP (1ULL << 57)

enum {
	PAGES = 48,
	MAX_PAGES = 2048,
	EXIT_FAIL = 1,
	EXIT_SKIP = 77,
	MESSAGE_TIMEOUT_MS = 40000,
	/* long enough for a thread that wrongly goes on to be seen */
	BLOCKED_MS = 50,
};

struct area {
	char *mem;
	size_t pages;
	size_t unit;	/* pages that can only be had together; 0: one */
	int uffd;
	int pagemap;	/* of the process whose memory it is */
};

/* Chooses pages by their index in the area. */
typedef bool (*rule_t)(size_t page);

/* -- harness.c: running tests, how a test ends */

struct test {
	const char *name;
	void (*run)(void);
};

#define TEST(name) { #name, name }

/* Each program has its own, with an empty entry at the end. */
extern const struct test tests[];

extern size_t page_size;

/* Ends the test: its result (EXIT_FAIL, EXIT_SKIP) and the reason. */
void leave(int status, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

#define fail(fmt, ...) \
	leave(EXIT_FAIL, "%s:%d: " fmt, __FILE_NAME__, __LINE__, ##__VA_ARGS__)
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

u64 now_ms(void);
/* How long a stress test goes on: STRESS_S of the environment, or this */
unsigned int stress_s(unsigned int otherwise);

/* -- area.c: sets of pages, contents, memory and its userfaultfd */

bool all(size_t page);
bool none(size_t page);
bool first(size_t page);
bool even(size_t page);
bool odd(size_t page);
bool third(size_t page);
bool sixth(size_t page);
bool even_or_third(size_t page);
/* The part of a small area that tests of sub-ranges work on: pages 16 to 31 */
bool middle(size_t page);
bool not_middle(size_t page);

char *page_of(const struct area *a, size_t page);
/* What the word of the page holds after write_pages() with the seed */
u64 word_of(u64 seed, size_t page, size_t word);
void fill_words(u64 *w, size_t page, u64 seed);
void write_pages(const struct area *a, rule_t rule, u64 seed);
void check_words(const u64 *w, size_t page, u64 seed);
/* Reads the pages, as an access that may thaw them. */
void check_pages(const struct area *a, rule_t rule, u64 seed);
void check_zero(const struct area *a, rule_t rule);
/* Reads one byte of each page, which is enough for an access. */
void touch_pages(const struct area *a, rule_t rule);

/*
 * Maps private anonymous memory. Inaccessible pages around the area keep its
 * VMA from merging with others, and catch who looks past the end.
 */
void area_map(struct area *a, size_t pages, size_t align);
/* Return the userfaultfd or -errno; the first closes fd then. */
int uffd_of(int fd, u64 features);
int try_uffd(u64 features);
int open_uffd(u64 features);
/* Returns 0 or -errno; *ioctls may be NULL. */
int try_register(int uffd, void *mem, size_t pages, u64 mode, u64 *ioctls);
/* An ioctl on a range: returns 0 or -errno. */
int range_ioctl(int uffd, unsigned long cmd, u64 start, u64 len);
/* Returns 0 or -errno; tries again while mappings are changing (EAGAIN). */
int try_deactivate(const struct area *a, size_t page, size_t pages);
void deactivate(const struct area *a);
/* Deactivates the pages of the rule one by one. */
void deactivate_pages(const struct area *a, rule_t rule);
void unregister(const struct area *a, size_t page, size_t pages);
void writeprotect(const struct area *a, bool on);
/* mprotect of the pages of middle() */
void protect_middle(const struct area *a, int prot);
/* Returns 0 or -errno. */
int try_set_mode(int uffd, u64 enable, u64 disable);
void set_async(const struct area *a);
void set_sync(const struct area *a);
void area_register(struct area *a, u64 features, u64 mode);

/*
 * Populated with seed 1, registered with a userfaultfd of its own, and
 * write-protected if mode has MODE_WP.
 */
void area_init_aligned(struct area *a, size_t pages, size_t align,
		       u64 features, u64 mode);
void area_init(struct area *a, u64 features, u64 mode);
/* The same, but everything deactivated. */
void area_init_cold(struct area *a, u64 features, u64 mode);

/* The pages of a huge page; skips the test where there are none. */
size_t huge_pages(void);
/* The same as the area_ functions, for one transparent huge page */
void huge_map(struct area *a);
void huge_init(struct area *a, u64 features, u64 mode);
void huge_init_cold(struct area *a, u64 features, u64 mode);

/* -- scan.c: what the kernel says about pages */

/* What the last scan said, page by page */
extern u64 cats[MAX_PAGES];

/* Sets cats[] for all pages; those that do not match anyof get 0. */
void scan(const struct area *a, u64 anyof, u64 flags);
/* A scan of anything but what was never populated, to write-protect it. */
void arm(const struct area *a);
/* Of cats[]: pages of the rule have, under mask, what in says, others out. */
void match(const char *file, int line, const struct area *a, rule_t rule,
	   u64 mask, u64 in, u64 out);
/* How many pages of cats[] have one of the categories. */
size_t count(const struct area *a, u64 mask);

#define MATCH(a, rule, mask, in, out) \
	match(__FILE_NAME__, __LINE__, a, rule, mask, in, out)

#define EXPECT(a, rule, mask, in, out) \
	do { \
		scan(a, POPULATED, 0); \
		MATCH(a, rule, mask, in, out); \
	} while (0)

/* A file of /proc/PID, to read it */
int open_proc(pid_t pid, const char *name);
int open_pagemap(pid_t pid);
u64 pagemap_entry(const struct area *a, size_t page);
/* The pages of the rule have the bit of their pagemap entry set, others not. */
void expect_bit(int line, const struct area *a, u64 bit, rule_t rule);

#define EXPECT_BIT(a, bit, rule) expect_bit(__LINE__, a, bit, rule)

/* A number in kB from the smaps entry of the VMA that the area starts in. */
long smaps_kb(const struct area *a, const char *field);
/* The first number in a file, or -1. */
long file_number(const char *path);
/* Returns whether the text could be written to the file. */
bool file_write(const char *path, const char *text);
/* A counter of /proc/vmstat, or 0 when there is none of the name */
long vmstat(const char *name);
/*
 * How many NUMA hinting faults the system has seen, or 0 where something else
 * than a mistaken deactivated page may cause them.
 */
long numa_hint_faults(void);
void clear_soft_dirty(void);

/* -- process.c: other processes and looks from outside */

/* Waits for a child that ends with its test's result. */
void join_child(pid_t pid);

struct target {
	pid_t pid;
	int go;		/* closing it lets the target end */
};

/*
 * Starts a process with a deactivated area that it does not touch. In *a, the
 * caller gets its address, its userfaultfd and a view on its pagemap.
 */
struct target target_start(struct area *a, u64 features, u64 mode);
void target_end(struct target *t);
void send_fd(int sock, int fd);
int recv_fd(int sock);

/* Reads a page from outside, through get_user_pages. */
void peek(const struct area *a, pid_t pid, size_t page, void *buf);
void peek_pages(const struct area *a, pid_t pid, rule_t rule, u64 seed);
/* Skips the test when /proc/PID/mem cannot be opened. */
int open_mem(pid_t pid);
/* Stops the process by ptrace, or skips the test. */
void ptrace_stop(pid_t pid);
/* Write the whole page from outside, with seed 2. */
void poke_vm_writev(const struct area *a, pid_t pid, size_t page);
void poke_proc_mem(const struct area *a, pid_t pid, size_t page);
/* The access ends in a SIGSEGV or SIGBUS. */
void expect_signal(int sig, char *addr, bool write);
/* Everything accessible, with seed 1, as if it had never been deactivated. */
void expect_ordinary(const struct area *a, u64 seed);
/* A child has everything accessible; the parent's state stays. */
void expect_fork_isolates(struct area *a);
/* Moves the area to a place with the same offset in a huge page, or not. */
void expect_mremap_frees(struct area *a, size_t align, size_t shift);
/* Returns a ring with the pages of middle() registered as fixed buffer. */
int ring_pin_middle(const struct area *a);
void ring_unpin(int ring);

/* -- fault.c: accesses that wait, messages, UFFDIO_CONTINUE */

enum access_kind {
	ACCESS_READ,
	ACCESS_WRITE,
	ACCESS_SYS_WRITE,	/* write(2) of it: the kernel reads */
	ACCESS_SYS_READ,	/* read(2) into it: the kernel writes */
	ACCESS_VM_WRITEV,
	ACCESS_MEM_WRITE,	/* of /proc/self/mem */
};

/* What an access that writes leaves in the first word */
#define ACCESS_VALUE 0x0123456789abcdefULL

/* A thread that accesses the first word of a page. */
struct access {
	pthread_t thread;
	enum access_kind kind;
	char *addr;
	long result;	/* 0 or -errno of the system call */
	u64 word;	/* what it read */
	_Atomic bool done;
};

bool access_writes(enum access_kind kind);
void access_start(struct access *acc, enum access_kind kind, char *addr);
/* Fails the test if the access ends, or has ended. */
void access_waits(struct access *acc);
/* Waits for its end and returns its result. */
long access_join(struct access *acc);

/* Waits for the next message. */
struct uffd_msg next_message(int uffd);
bool has_message(int uffd);
/* The next message is a fault at the page with exactly the flags. */
void expect_message(const char *file, int line, const struct area *a,
		    size_t page, u64 flags);

#define EXPECT_MESSAGE(a, page, flags) \
	expect_message(__FILE_NAME__, __LINE__, a, page, flags)

/*
 * UFFDIO_CONTINUE. Returns 0 or -errno; sets *mapped, unless it is NULL, to
 * what the kernel said. Tries again while mappings are changing.
 */
int try_continue(const struct area *a, size_t page, size_t pages, u64 mode,
		 s64 *mapped);
void do_continue(const struct area *a, size_t page, size_t pages);
void wake(const struct area *a, size_t page, size_t pages);

struct handler {
	pthread_t thread;
	const struct area *area;
	int stop[2];
	_Atomic size_t messages[MAX_PAGES];
};

/* Lets a thread of its own resolve all faults of the area, unit by unit. */
void handler_start(struct handler *h, const struct area *a);
void handler_stop(struct handler *h);
/* How many messages there were for the page. */
size_t handler_count(const struct handler *h, size_t page);
/* A handler's work for one message. Returns the (first) page. */
size_t resolve(const struct area *a, const struct uffd_msg *msg);

/* -- disturb.c: what happens to pages besides accesses */

/* Skips the test without swap. */
void need_swap(void);
/* Swaps out what it can of the area. */
void swap_out(const struct area *a);
void need_two_nodes(void);
/* Returns how many pages are on the node afterwards. */
size_t migrate(const struct area *a, int node);
/* Moves the area's pages to the other node and back. */
void migrate_twice(const struct area *a);
/* Memory control group's reclaim of everything this process has charged */
void reclaim_cgroup(const struct area *a);
void compact_memory(const struct area *a);
/* Returns 0 or -errno. */
int try_collapse(const struct area *a);
/* Lets KSM look at the area until it has seen all of it several times. */
void ksm_merge(const struct area *a);
/* Gives NUMA balancing the time to look at all memory of the process. */
void numa_hinting(const struct area *a);

#endif
