// SPDX-License-Identifier: GPL-2.0
/* Accesses from outside of the process, and pages pinned for a device. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include "lib.h"

/* -- accesses from outside */

static void vm_readv(u64 features)
{
	struct area a;
	struct target t = target_start(&a, features, MINOR_WP);

	peek_pages(&a, t.pid, all, 1);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	CHECK(!has_message(a.uffd));
	target_end(&t);
}

static void proc_mem_read(u64 features)
{
	u64 buf[page_size / sizeof(u64)];
	struct area a;
	struct target t = target_start(&a, features, MINOR_WP);
	int fd = open_mem(t.pid);

	for (size_t p = 0; p < PAGES; p++) {
		CHECK_EQ(pread(fd, buf, page_size, (uintptr_t)page_of(&a, p)),
			 page_size);
		check_words(buf, p, 1);
	}
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	CHECK(!has_message(a.uffd));
	target_end(&t);
}

static void ptrace_peek(u64 features)
{
	struct area a;
	struct target t = target_start(&a, features, MINOR_WP);
	long word;

	ptrace_stop(t.pid);
	for (size_t p = 0; p < PAGES; p++) {
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, t.pid, page_of(&a, p), NULL);
		CHECK_EQ(errno, 0);
		CHECK_EQ(word, word_of(1, p, 0));
	}
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	CHECK(!has_message(a.uffd));
	CHECK(!ptrace(PTRACE_DETACH, t.pid, NULL, NULL));
	target_end(&t);
}

/* A read neither waits nor is it noticed, in either mode. */
#define BOTH_MODES(name) \
	static void name##_leaves_cold(void) { name(ASYNC); } \
	static void name##_leaves_cold_sync(void) { name(SYNC); }

BOTH_MODES(vm_readv)
BOTH_MODES(proc_mem_read)
BOTH_MODES(ptrace_peek)

static void expect_poke_thaws(void (*poke)(const struct area *, pid_t, size_t),
			      u64 mode)
{
	const u64 mask = mode == MINOR_WP ? DEACT | WRITTEN : DEACT;
	struct area a;
	struct target t = target_start(&a, ASYNC, mode);

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

	area_init(&a, ASYNC, mode);
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

/* From another process, whose write waits */
static void vm_writev_waits(void)
{
	struct area a;
	struct target t = target_start(&a, SYNC, MINOR_WP);
	struct uffd_msg msg;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		poke_vm_writev(&a, t.pid, 3);
		_exit(0);
	}
	msg = next_message(a.uffd);
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	CHECK_EQ(msg.arg.pagefault.flags, FLAG_MINOR | FLAG_WRITE);
	CHECK_EQ(msg.arg.pagefault.address, (uintptr_t)page_of(&a, 3));
	usleep(BLOCKED_MS * 1000);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	do_continue(&a, 3, 1);
	join_child(pid);
	scan(&a, POPULATED, 0);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(cats[p] & (DEACT | WRITTEN), p == 3 ? WRITTEN : DEACT);
	target_end(&t);
}

/* -- pages pinned for a device */

static void pinned(u64 features)
{
	struct handler h;
	struct area a;
	int ring;

	area_init(&a, features, MINOR_WP);
	ring = ring_pin_middle(&a);
	deactivate(&a);
	EXPECT(&a, middle, DEACT, 0, DEACT);
	ring_unpin(ring);
	/* the pins may be dropped a little later */
	for (int i = 0; i < 100; i++) {
		deactivate(&a);
		scan(&a, POPULATED, 0);
		if (count(&a, DEACT) == PAGES)
			break;
		usleep(20000);
	}
	MATCH(&a, all, DEACT, DEACT, 0);
	handler_start(&h, &a);
	check_pages(&a, all, 1);
	handler_stop(&h);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), features == SYNC);
}

static void pinned_stays_active(void)
{
	pinned(ASYNC);
}

static void pinned_stays_active_sync(void)
{
	pinned(SYNC);
}

/* To pin is to write, as far as anybody can tell. */
static void pinning_waits(void)
{
	struct handler h;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	handler_start(&h, &a);
	ring_pin_middle(&a);
	handler_stop(&h);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), middle(p));
	EXPECT(&a, middle, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, middle, 1);
}

static void pinning_thaws(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	ring_pin_middle(&a);
	EXPECT(&a, middle, DEACT | WRITTEN, WRITTEN, DEACT);
	check_pages(&a, all, 1);
}

/* -- core dumps: of pages that nobody has access to, and nobody asks for it */

/* Whether the pages, one after the other, are somewhere in the file. */
static bool holds_pages(const char *path, const struct area *a, u64 seed)
{
	static u64 buf[PAGES * 512], page[512];
	size_t found = 0;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	fill_words(page, 0, seed);
	for (off_t at = 0; (n = pread(fd, buf, a->pages * page_size, at)) ==
	     (ssize_t)(a->pages * page_size); at += page_size) {
		if (memcmp(buf, page, page_size))
			continue;
		for (found = 0; found < a->pages; found++)
			check_words(buf + found * 512, found, seed);
		break;
	}
	close(fd);
	return found == a->pages;
}

static void core_dump(u64 features)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char dir[] = "/tmp/frazil-core-XXXXXX", pattern[16] = "";
	struct target t;
	struct area a;
	int status, fd;

	fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
	if (fd < 0 || read(fd, pattern, sizeof(pattern) - 1) < 0 ||
	    strcmp(pattern, "core\n"))
		skip("core dumps do not go to a file `core`");
	close(fd);
	CHECK(mkdtemp(dir) && !chdir(dir));
	CHECK(!setrlimit(RLIMIT_CORE, &unlimited));
	t = target_start(&a, features, MINOR_WP);
	CHECK(!kill(t.pid, SIGQUIT));
	CHECK_EQ(waitpid(t.pid, &status, 0), t.pid);
	CHECK(WIFSIGNALED(status) && WCOREDUMP(status));
	CHECK(holds_pages("core", &a, 1));
	CHECK(!has_message(a.uffd));
	CHECK(!unlink("core") && !rmdir(dir));
}

static void core_dump_async(void)
{
	core_dump(ASYNC);
}

static void core_dump_sync(void)
{
	core_dump(SYNC);
}

const struct test tests[] = {
	TEST(vm_readv_leaves_cold),
	TEST(vm_readv_leaves_cold_sync),
	TEST(proc_mem_read_leaves_cold),
	TEST(proc_mem_read_leaves_cold_sync),
	TEST(ptrace_peek_leaves_cold),
	TEST(ptrace_peek_leaves_cold_sync),
	TEST(vm_writev_thaws),
	TEST(proc_mem_write_thaws),
	TEST(forced_write_thaws),
	TEST(forced_write_thaws_wp),
	TEST(vm_writev_waits),
	TEST(pinned_stays_active),
	TEST(pinned_stays_active_sync),
	TEST(pinning_waits),
	TEST(pinning_thaws),
	TEST(core_dump_async),
	TEST(core_dump_sync),
	{ 0 }
};
