// SPDX-License-Identifier: GPL-2.0
/* EVENT_FORK and EVENT_REMAP: where the registration goes with the pages. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/socket.h>
#include "lib.h"

/* -- a thread that reads one event, for which fork() and mremap() wait */

struct event {
	pthread_t thread;
	int uffd;
	struct uffd_msg msg;
};

static void *event_main(void *arg)
{
	struct event *e = arg;

	e->msg = next_message(e->uffd);
	return NULL;
}

static void event_start(struct event *e, int uffd)
{
	e->uffd = uffd;
	CHECK(!pthread_create(&e->thread, NULL, event_main, e));
}

static void event_join(struct event *e, unsigned char event)
{
	CHECK(!pthread_join(e->thread, NULL));
	CHECK_EQ(e->msg.event, event);
}

/* -- EVENT_FORK */

/* A child that was forked with its event, and the parent's view on its area */
struct forked {
	struct area a;
	pid_t pid;
	int go[2];	/* each byte lets the child take a step */
	int ready[2];
};

static void child_ready(struct forked *f)
{
	char c = 0;

	CHECK(write(f->ready[1], &c, 1) == 1);
	CHECK(read(f->go[0], &c, 1) == 1);
}

static void child_step(struct forked *f)
{
	char c = 0;

	CHECK(write(f->go[1], &c, 1) == 1);
}

/* Waits until the child has taken its step, or has failed. */
static void child_wait(struct forked *f)
{
	char c;

	if (read(f->ready[0], &c, 1) != 1)
		join_child(f->pid);
}

/* Reads a third of its area, then writes to half of it. */
static void __attribute__((noreturn)) forked_main(struct forked *f,
						  const struct area *a)
{
	close(f->ready[0]);
	child_ready(f);
	check_pages(a, third, 1);
	child_ready(f);
	write_pages(a, even, 2);
	child_ready(f);
	check_pages(a, even, 2);
	_exit(0);
}

static void fork_with_event(struct forked *f, const struct area *a)
{
	struct event e;

	CHECK(!pipe(f->go) && !pipe(f->ready));
	event_start(&e, a->uffd);
	f->pid = fork();
	CHECK(f->pid >= 0);
	if (!f->pid)
		forked_main(f, a);
	close(f->ready[1]);
	event_join(&e, UFFD_EVENT_FORK);
	f->a = *a;
	f->a.uffd = e.msg.arg.fork.ufd;
	f->a.pagemap = open_pagemap(f->pid);
	child_wait(f);
}

/* The child's pages, which the child accesses step by step */
static void expect_child_tracked(struct forked *f, bool sync)
{
	struct handler h;

	EXPECT(&f->a, all, DEACT | PRESENT | WRITTEN, DEACT | PRESENT, 0);
	handler_start(&h, &f->a);
	child_step(f);
	child_wait(f);
	EXPECT(&f->a, third, DEACT | WRITTEN, 0, DEACT);
	child_step(f);
	child_wait(f);
	EXPECT(&f->a, even_or_third, DEACT, 0, DEACT);
	MATCH(&f->a, even, WRITTEN, WRITTEN, 0);
	handler_stop(&h);
	for (size_t p = 0; p < f->a.pages; p++)
		CHECK_EQ(handler_count(&h, p), sync && even_or_third(p));
	CHECK_EQ(try_deactivate(&f->a, 0, f->a.pages), 0);
	EXPECT(&f->a, all, DEACT, DEACT, 0);
	peek_pages(&f->a, f->pid, even, 2);
	/* without its userfaultfd, the child is as free as any */
	close(f->a.uffd);
	EXPECT(&f->a, all, DEACT | PRESENT, PRESENT, 0);
	child_step(f);
	join_child(f->pid);
}

static void fork_event_child_tracked(u64 features)
{
	struct handler h;
	struct forked f;
	struct area a;

	area_init_cold(&a, features | UFFD_FEATURE_EVENT_FORK, MINOR_WP);
	fork_with_event(&f, &a);
	EXPECT(&a, all, DEACT | PRESENT | WRITTEN, DEACT | PRESENT, 0);
	expect_child_tracked(&f, features == SYNC);
	/* and what the child did is nothing to its parent */
	EXPECT(&a, all, DEACT | PRESENT | WRITTEN, DEACT | PRESENT, 0);
	handler_start(&h, &a);
	check_pages(&a, all, 1);
	handler_stop(&h);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), features == SYNC);
}

static void fork_event_sync(void)
{
	fork_event_child_tracked(SYNC);
}

static void fork_event_async(void)
{
	fork_event_child_tracked(ASYNC);
}

/* The child's context is in the mode that its parent's was switched to. */
static void fork_event_after_set_mode(void)
{
	struct forked f;
	struct area a;

	area_init(&a, ASYNC | UFFD_FEATURE_EVENT_FORK, MINOR_WP);
	set_sync(&a);
	deactivate(&a);
	fork_with_event(&f, &a);
	expect_child_tracked(&f, true);
	EXPECT(&a, all, DEACT, DEACT, 0);
}

static void fork_event_thp(void)
{
	struct handler h;
	struct forked f;
	struct area a;

	huge_init(&a, SYNC | UFFD_FEATURE_EVENT_FORK, MINOR_WP);
	deactivate(&a);
	EXPECT(&a, all, DEACT | HUGE, DEACT | HUGE, 0);
	fork_with_event(&f, &a);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	expect_child_tracked(&f, true);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	handler_start(&h, &a);
	check_pages(&a, all, 1);
	handler_stop(&h);
	for (size_t p = 0; p < a.pages; p++)
		CHECK_EQ(handler_count(&h, p), 1);
}

/* Closing the parent's userfaultfd frees the parent alone. */
static void fork_event_outlives_parent(void)
{
	struct forked f;
	struct area a;

	area_init_cold(&a, SYNC | UFFD_FEATURE_EVENT_FORK, MINOR_WP);
	fork_with_event(&f, &a);
	unregister(&a, 0, PAGES);
	expect_ordinary(&a, 1);
	expect_child_tracked(&f, true);
}

static void __attribute__((noreturn)) unread_child(struct area *a)
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

/* Forks, while only the test itself holds the userfaultfd. */
static void __attribute__((noreturn)) unread_parent(u64 features, bool huge,
						    int sock)
{
	struct area a;
	pid_t pid;

	if (huge)
		huge_init(&a, features, MINOR_WP);
	else
		area_init(&a, features, MINOR_WP);
	deactivate(&a);
	send_fd(sock, a.uffd);
	close(a.uffd);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		unread_child(&a);
	join_child(pid);
	expect_ordinary(&a, 1);
	_exit(0);
}

/* Nobody reads the event, and then the userfaultfd is closed. */
static void fork_event_unread(u64 features, bool huge)
{
	int sock[2], uffd;
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(sock[0]);
		unread_parent(features | UFFD_FEATURE_EVENT_FORK, huge,
			      sock[1]);
	}
	close(sock[1]);
	uffd = recv_fd(sock[0]);
	if (uffd < 0)
		join_child(pid);
	while (!has_message(uffd))
		usleep(1000);
	usleep(BLOCKED_MS * 1000);
	close(uffd);
	join_child(pid);
}

static void fork_event_closed_unread(void)
{
	fork_event_unread(SYNC, false);
	fork_event_unread(ASYNC, false);
}

static void fork_event_closed_unread_thp(void)
{
	fork_event_unread(SYNC, true);
	fork_event_unread(ASYNC, true);
}

/* -- EVENT_REMAP */

/* Moves the area, with somebody who reads the event. */
static void remap(struct area *a, size_t align, size_t shift)
{
	size_t len = a->pages * page_size;
	struct event e;
	struct area to;
	char *mem;

	area_map(&to, a->pages + shift, align);
	event_start(&e, a->uffd);
	mem = mremap(a->mem, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
		     page_of(&to, shift));
	CHECK(mem == page_of(&to, shift));
	event_join(&e, UFFD_EVENT_REMAP);
	CHECK_EQ(e.msg.arg.remap.from, (uintptr_t)a->mem);
	CHECK_EQ(e.msg.arg.remap.to, (uintptr_t)mem);
	CHECK_EQ(e.msg.arg.remap.len, len);
	a->mem = mem;
}

/* Registered at the new place, and deactivated where it was before */
static void expect_remapped(struct area *a, bool sync)
{
	struct handler h;

	if (sync)
		EXPECT(a, even, DEACT, DEACT, 0);
	scan(a, POPULATED, 0);
	for (size_t p = 1; p < a->pages; p += 2)
		CHECK_EQ(cats[p] & DEACT, 0);
	handler_start(&h, a);
	check_pages(a, all, 1);
	handler_stop(&h);
	for (size_t p = 0; p < a->pages; p++)
		CHECK_EQ(handler_count(&h, p), sync && even(p));
	EXPECT(a, all, DEACT | PRESENT, PRESENT, 0);
	deactivate(a);
	EXPECT(a, all, DEACT, DEACT, 0);
}

static void remap_event(u64 features)
{
	struct area a;

	area_init(&a, features | UFFD_FEATURE_EVENT_REMAP, MINOR_WP);
	deactivate_pages(&a, even);
	remap(&a, page_size, 0);
	expect_remapped(&a, features == SYNC);
}

static void remap_event_sync(void)
{
	remap_event(SYNC);
}

static void remap_event_async(void)
{
	remap_event(ASYNC);
}

/* Page by page, to where the huge page stays one, and to where it cannot */
static void remap_event_thp(void)
{
	const u64 features = SYNC | UFFD_FEATURE_EVENT_REMAP;
	struct area a;

	for (size_t shift = 0; shift < 2; shift++) {
		huge_init(&a, features, MINOR_WP);
		deactivate_pages(&a, even);
		remap(&a, a.pages * page_size, shift);
		expect_remapped(&a, true);
		huge_init(&a, features, MINOR);
		deactivate(&a);
		remap(&a, a.pages * page_size, shift);
		EXPECT(&a, all, DEACT, DEACT, 0);
		do_continue(&a, 0, a.pages);
		check_pages(&a, all, 1);
		CHECK(!has_message(a.uffd));
	}
}

const struct test tests[] = {
	TEST(fork_event_sync),
	TEST(fork_event_async),
	TEST(fork_event_after_set_mode),
	TEST(fork_event_thp),
	TEST(fork_event_outlives_parent),
	TEST(fork_event_closed_unread),
	TEST(fork_event_closed_unread_thp),
	TEST(remap_event_sync),
	TEST(remap_event_async),
	TEST(remap_event_thp),
	{ 0 }
};
