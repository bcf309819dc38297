// SPDX-License-Identifier: GPL-2.0
/*
 * Sync mode: an access to a deactivated page is a message, and the thread waits
 * for UFFDIO_CONTINUE. How threads get away without one is in leave.c.
 */
#define _GNU_SOURCE
#include <signal.h>
#include "lib.h"

enum {
	PAGE = 5,	/* the one that is accessed */
	THREADS = 6,
};

static bool the_page(size_t page)
{
	return page == PAGE;
}

static bool below_eight(size_t page)
{
	return page < 8;
}

/* -- accesses */

static u64 flags_of(enum access_kind kind)
{
	return FLAG_MINOR | (access_writes(kind) ? FLAG_WRITE : 0);
}

static void expect_word(struct access *acc)
{
	if (access_writes(acc->kind))
		CHECK_EQ(*(u64 *)acc->addr, ACCESS_VALUE);
	else
		CHECK_EQ(acc->word, word_of(1, PAGE, 0));
}

/* One access: it waits for its message to be answered, the others stay cold. */
static void one_access(enum access_kind kind, u64 features)
{
	const u64 written = access_writes(kind) ? WRITTEN : 0;
	struct access acc;
	struct area a;

	area_init(&a, features, MINOR_WP);
	if (features & UFFD_FEATURE_MINOR_ASYNC)
		set_sync(&a);
	deactivate(&a);
	access_start(&acc, kind, page_of(&a, PAGE));
	EXPECT_MESSAGE(&a, PAGE, flags_of(kind));
	access_waits(&acc);
	EXPECT(&a, all, DEACT | PRESENT | WRITTEN, DEACT | PRESENT, 0);
	do_continue(&a, PAGE, 1);
	CHECK_EQ(access_join(&acc), 0);
	EXPECT(&a, the_page, DEACT | WRITTEN, written, DEACT);
	CHECK(!has_message(a.uffd));
	expect_word(&acc);
	for (size_t i = 1; i < page_size / sizeof(u64); i++)
		CHECK_EQ(((u64 *)acc.addr)[i], word_of(1, PAGE, i));
}

static void read_waits(void)
{
	one_access(ACCESS_READ, SYNC);
}

static void write_waits(void)
{
	one_access(ACCESS_WRITE, SYNC);
}

static void kernel_read_waits(void)
{
	one_access(ACCESS_SYS_WRITE, SYNC);
}

static void kernel_write_waits(void)
{
	one_access(ACCESS_SYS_READ, SYNC);
}

static void vm_writev_waits(void)
{
	one_access(ACCESS_VM_WRITEV, SYNC);
}

static void switched_to_sync_waits(void)
{
	one_access(ACCESS_READ, ASYNC);
	one_access(ACCESS_WRITE, ASYNC);
}

/*
 * Such a write is an access, or fails: the kernel does not let go of the
 * address space for it, as is needed to wait.
 */
static void proc_mem_write_waits_or_fails(void)
{
	struct access acc;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	access_start(&acc, ACCESS_MEM_WRITE, page_of(&a, PAGE));
	while (!acc.done && !has_message(a.uffd))
		usleep(1000);
	if (!acc.done) {
		EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR | FLAG_WRITE);
		access_waits(&acc);
		do_continue(&a, PAGE, 1);
		CHECK_EQ(access_join(&acc), 0);
		EXPECT(&a, the_page, DEACT | WRITTEN, WRITTEN, DEACT);
		expect_word(&acc);
		return;
	}
	CHECK_EQ(access_join(&acc), -EIO);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT, 0);
	peek_pages(&a, getpid(), all, 1);
}

/* Many accesses, each of them answered, reads and then writes */
static void all_pages(void)
{
	struct handler h;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	handler_start(&h, &a);
	check_pages(&a, third, 1);
	EXPECT(&a, third, DEACT | WRITTEN, 0, DEACT);
	write_pages(&a, even, 2);
	EXPECT(&a, even_or_third, DEACT, 0, DEACT);
	EXPECT(&a, even, WRITTEN, WRITTEN, 0);
	handler_stop(&h);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), even_or_third(p));
	check_pages(&a, even, 2);
	deactivate(&a);
	EXPECT(&a, even, DEACT | WRITTEN, DEACT | WRITTEN, DEACT);
}

static void zero_page(void)
{
	struct handler h;
	struct area a;

	area_map(&a, PAGES, page_size);
	touch_pages(&a, all);
	area_register(&a, SYNC, MINOR_WP);
	arm(&a);
	deactivate(&a);
	EXPECT(&a, all, DEACT, DEACT, 0);
	handler_start(&h, &a);
	check_zero(&a, third);
	write_pages(&a, even, 2);
	handler_stop(&h);
	for (size_t p = 0; p < PAGES; p++)
		CHECK_EQ(handler_count(&h, p), even_or_third(p));
	EXPECT(&a, even, WRITTEN, WRITTEN, 0);
	check_pages(&a, even, 2);
}

/* What is not populated is populated as ever, without a message. */
static void unpopulated(void)
{
	struct area a;

	area_map(&a, PAGES, page_size);
	write_pages(&a, even, 1);
	area_register(&a, SYNC, MINOR);
	deactivate(&a);
	EXPECT(&a, even, DEACT, DEACT, 0);
	check_zero(&a, odd);
	CHECK(!has_message(a.uffd));
	EXPECT(&a, even, DEACT, DEACT, 0);
}

static void threads_on_one_page(void)
{
	struct access acc[THREADS];
	struct handler h;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	for (int i = 0; i < THREADS; i++)
		access_start(&acc[i], i % 2 ? ACCESS_READ : ACCESS_SYS_WRITE,
			     page_of(&a, PAGE));
	for (int i = 0; i < THREADS; i++)
		access_waits(&acc[i]);
	do_continue(&a, PAGE, 1);
	for (int i = 0; i < THREADS; i++) {
		CHECK_EQ(access_join(&acc[i]), 0);
		CHECK_EQ(acc[i].word, word_of(1, PAGE, 0));
	}
	deactivate(&a);
	handler_start(&h, &a);
	for (int i = 0; i < THREADS; i++)
		access_start(&acc[i], i % 2 ? ACCESS_READ : ACCESS_WRITE,
			     page_of(&a, PAGE));
	for (int i = 0; i < THREADS; i++)
		access_join(&acc[i]);
	handler_stop(&h);
	CHECK(handler_count(&h, PAGE) >= 1);
	EXPECT(&a, the_page, DEACT | WRITTEN, WRITTEN, DEACT);
	CHECK_EQ(*(u64 *)page_of(&a, PAGE), ACCESS_VALUE);
}

/* With EXACT_ADDRESS and without */
static void address_of_message(void)
{
	struct uffd_msg msg;
	struct access acc;
	struct area a;

	area_init_cold(&a, SYNC | UFFD_FEATURE_EXACT_ADDRESS, MINOR);
	access_start(&acc, ACCESS_READ, page_of(&a, PAGE) + 64);
	msg = next_message(a.uffd);
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	CHECK_EQ(msg.arg.pagefault.address, (uintptr_t)page_of(&a, PAGE) + 64);
	do_continue(&a, PAGE, 1);
	access_join(&acc);
	close(a.uffd);
	area_init_cold(&a, SYNC, MINOR);
	access_start(&acc, ACCESS_READ, page_of(&a, PAGE) + 64);
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR);
	do_continue(&a, PAGE, 1);
	access_join(&acc);
}

static volatile sig_atomic_t signalled;

static void on_usr1(int sig)
{
	signalled = sig;
}

/* A signal's handler runs while its thread waits, which then waits again. */
static void signal_while_waiting(void)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	struct access acc;
	struct area a;

	CHECK(!sigaction(SIGUSR1, &sa, NULL));
	area_init_cold(&a, SYNC, MINOR);
	access_start(&acc, ACCESS_READ, page_of(&a, PAGE));
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR);
	CHECK(!pthread_kill(acc.thread, SIGUSR1));
	while (!signalled)
		usleep(1000);
	access_waits(&acc);
	EXPECT(&a, all, DEACT, DEACT, 0);
	do_continue(&a, PAGE, 1);
	access_join(&acc);
	CHECK_EQ(acc.word, word_of(1, PAGE, 0));
}

/* UFFD_FEATURE_SIGBUS asks for a signal in place of a message. */
static void sigbus_feature(void)
{
	struct area a;

	area_init_cold(&a, SYNC | UFFD_FEATURE_SIGBUS, MINOR);
	expect_signal(SIGBUS, page_of(&a, PAGE), false);
	expect_signal(SIGBUS, page_of(&a, PAGE), true);
	CHECK(!has_message(a.uffd));
	EXPECT(&a, all, DEACT, DEACT, 0);
	do_continue(&a, PAGE, 1);
	check_pages(&a, the_page, 1);
}

/* -- UFFDIO_CONTINUE */

static void continue_active(void)
{
	struct area a;
	s64 mapped;

	area_init(&a, SYNC, MINOR_WP);
	CHECK_EQ(try_continue(&a, 0, PAGES, 0, &mapped), -EEXIST);
	CHECK_EQ(mapped, -EEXIST);
	deactivate(&a);
	do_continue(&a, PAGE, 1);
	CHECK_EQ(try_continue(&a, PAGE, 1, 0, NULL), -EEXIST);
	EXPECT(&a, the_page, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, the_page, 1);
}

static void continue_unpopulated(void)
{
	struct area a;

	area_map(&a, PAGES, page_size);
	area_register(&a, SYNC, MINOR_WP);
	/* without a page table, and with one */
	CHECK_EQ(try_continue(&a, 0, PAGES, 0, NULL), -EFAULT);
	write_pages(&a, even, 1);
	CHECK_EQ(try_continue(&a, 1, 1, 0, NULL), -EFAULT);
	CHECK_EQ(try_continue(&a, 1, 1, UFFDIO_CONTINUE_MODE_WP, NULL),
		 -EFAULT);
	EXPECT(&a, even, POPULATED, PRESENT, 0);
	check_zero(&a, odd);
	check_pages(&a, even, 1);
}

/* It stops where there is nothing to do, and tells how far it came. */
static void continue_up_to_active(void)
{
	struct area a;
	s64 mapped;

	area_init(&a, SYNC, MINOR);
	CHECK_EQ(try_deactivate(&a, 0, 8), 0);
	CHECK_EQ(try_continue(&a, 0, PAGES, 0, &mapped), -EAGAIN);
	CHECK_EQ(mapped, 8 * page_size);
	EXPECT(&a, all, DEACT, 0, 0);
	check_pages(&a, all, 1);
}

static void continue_range(void)
{
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	do_continue(&a, PAGES / 3, PAGES / 3);
	EXPECT(&a, middle, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, middle, 1);
	do_continue(&a, 0, PAGES / 3);
	do_continue(&a, 2 * PAGES / 3, PAGES / 3);
	EXPECT(&a, all, DEACT | WRITTEN, 0, 0);
	write_pages(&a, third, 2);
	EXPECT(&a, third, WRITTEN, WRITTEN, 0);
	check_pages(&a, third, 2);
	CHECK(!has_message(a.uffd));
}

/* Who waits at another page goes on waiting. */
static void continue_wakes_its_range(void)
{
	struct access near, far;
	struct area a;

	area_init_cold(&a, SYNC, MINOR);
	access_start(&near, ACCESS_READ, page_of(&a, 0));
	EXPECT_MESSAGE(&a, 0, FLAG_MINOR);
	access_start(&far, ACCESS_READ, page_of(&a, 20));
	EXPECT_MESSAGE(&a, 20, FLAG_MINOR);
	do_continue(&a, 0, 1);
	access_join(&near);
	access_waits(&far);
	do_continue(&a, 20, 1);
	access_join(&far);
	CHECK_EQ(far.word, word_of(1, 20, 0));
}

/* The message need not be read, and is gone with its reason. */
static void continue_before_read(void)
{
	struct access acc;
	struct area a;

	area_init_cold(&a, SYNC, MINOR);
	access_start(&acc, ACCESS_READ, page_of(&a, PAGE));
	while (!has_message(a.uffd))
		usleep(1000);
	do_continue(&a, 0, PAGES);
	access_join(&acc);
	CHECK_EQ(acc.word, word_of(1, PAGE, 0));
	CHECK(!has_message(a.uffd));
}

static void continue_dontwake(void)
{
	struct access acc;
	struct area a;
	s64 mapped;

	area_init_cold(&a, SYNC, MINOR_WP);
	access_start(&acc, ACCESS_WRITE, page_of(&a, PAGE));
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR | FLAG_WRITE);
	CHECK_EQ(try_continue(&a, PAGE, 1, UFFDIO_CONTINUE_MODE_DONTWAKE,
			      &mapped), 0);
	CHECK_EQ(mapped, page_size);
	EXPECT(&a, the_page, DEACT | WRITTEN, 0, DEACT);
	access_waits(&acc);
	wake(&a, PAGE, 1);
	access_join(&acc);
	EXPECT(&a, the_page, DEACT | WRITTEN, WRITTEN, DEACT);
}

/* Nobody is left to wait for a page that is accessible already. */
static void continue_of_active_wakes(void)
{
	struct access acc;
	struct area a;

	area_init_cold(&a, SYNC, MINOR_WP);
	access_start(&acc, ACCESS_READ, page_of(&a, PAGE));
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR);
	CHECK_EQ(try_continue(&a, PAGE, 1, UFFDIO_CONTINUE_MODE_DONTWAKE,
			      NULL), 0);
	CHECK_EQ(try_continue(&a, PAGE, 1, UFFDIO_CONTINUE_MODE_DONTWAKE,
			      NULL), -EEXIST);
	access_waits(&acc);
	CHECK_EQ(try_continue(&a, PAGE, 1, 0, NULL), -EEXIST);
	access_join(&acc);
	CHECK_EQ(acc.word, word_of(1, PAGE, 0));
}

/* A wake-up alone resolves nothing: there is a second message. */
static void wake_without_continue(void)
{
	struct access acc;
	struct area a;

	area_init_cold(&a, SYNC, MINOR);
	access_start(&acc, ACCESS_READ, page_of(&a, PAGE));
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR);
	wake(&a, PAGE, 1);
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR);
	access_waits(&acc);
	EXPECT(&a, all, DEACT, DEACT, 0);
	do_continue(&a, PAGE, 1);
	access_join(&acc);
}

/* Without MODE_WP, the write-protection stays as it is. */
static void continue_keeps_wp(void)
{
	struct area a;

	area_init(&a, SYNC, MINOR_WP);
	write_pages(&a, third, 2);
	deactivate(&a);
	do_continue(&a, 0, PAGES);
	EXPECT(&a, third, DEACT | WRITTEN, WRITTEN, 0);
	write_pages(&a, even, 3);
	EXPECT(&a, even_or_third, WRITTEN, WRITTEN, 0);
}

static void continue_mode_wp(void)
{
	struct area a;

	area_init(&a, SYNC, MINOR_WP);
	write_pages(&a, all, 2);
	deactivate(&a);
	EXPECT(&a, all, DEACT | WRITTEN, DEACT | WRITTEN, 0);
	CHECK_EQ(try_continue(&a, 0, 8, UFFDIO_CONTINUE_MODE_WP, NULL), 0);
	EXPECT(&a, below_eight, DEACT | WRITTEN, 0, DEACT | WRITTEN);
	EXPECT_BIT(&a, PM_UFFD_WP, below_eight);
	/* and it is not only said to be write-protected */
	write_pages(&a, first, 3);
	scan(&a, POPULATED, 0);
	CHECK_EQ(cats[0] & (DEACT | WRITTEN), WRITTEN);
	CHECK_EQ(cats[1] & (DEACT | WRITTEN), 0);
}

/* Where nothing can be write-protected, it is refused. */
static void continue_mode_wp_refused(void)
{
	struct area a;

	area_init_cold(&a, SYNC, MINOR);
	CHECK_EQ(try_continue(&a, 0, PAGES, UFFDIO_CONTINUE_MODE_WP, NULL),
		 -EINVAL);
	CHECK_EQ(try_continue(&a, 0, PAGES, 1ULL << 40, NULL), -EINVAL);
	EXPECT(&a, all, DEACT, DEACT, 0);
}

/* In async mode nobody waits, but a thaw ahead of the access is possible. */
static void continue_in_async_mode(void)
{
	struct area a;

	area_init_cold(&a, ASYNC, MINOR_WP);
	do_continue(&a, 0, 8);
	EXPECT(&a, below_eight, DEACT | WRITTEN, 0, DEACT);
	check_pages(&a, all, 1);
}

/* -- write-protection and missing pages in sync mode, too */

static void sync_wp(void)
{
	struct access acc;
	struct area a;
	struct uffd_msg msg;

	area_map(&a, PAGES, page_size);
	write_pages(&a, all, 1);
	area_register(&a, UFFD_FEATURE_MINOR_ANON, MINOR_WP);
	writeprotect(&a, true);
	deactivate(&a);
	EXPECT_BIT(&a, PM_UFFD_WP, all);
	access_start(&acc, ACCESS_WRITE, page_of(&a, PAGE));
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR | FLAG_WRITE);
	do_continue(&a, PAGE, 1);
	msg = next_message(a.uffd);
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	CHECK_EQ(msg.arg.pagefault.flags & (FLAG_MINOR |
		 UFFD_PAGEFAULT_FLAG_WP), UFFD_PAGEFAULT_FLAG_WP);
	access_waits(&acc);
	EXPECT(&a, the_page, DEACT, 0, DEACT);
	writeprotect(&a, false);
	access_join(&acc);
	EXPECT(&a, the_page, DEACT, 0, DEACT);
	CHECK_EQ(*(u64 *)page_of(&a, PAGE), ACCESS_VALUE);
}

static void missing_and_minor(void)
{
	struct uffdio_copy copy = { 0 };
	struct access cold, empty;
	struct area a;
	u64 buf[page_size / sizeof(u64)];

	area_map(&a, PAGES, page_size);
	write_pages(&a, even, 1);
	area_register(&a, SYNC, MINOR_WP | UFFDIO_REGISTER_MODE_MISSING);
	deactivate(&a);
	access_start(&cold, ACCESS_READ, page_of(&a, 4));
	EXPECT_MESSAGE(&a, 4, FLAG_MINOR);
	access_start(&empty, ACCESS_READ, page_of(&a, PAGE));
	EXPECT_MESSAGE(&a, PAGE, 0);
	fill_words(buf, PAGE, 1);
	copy.dst = (uintptr_t)page_of(&a, PAGE);
	copy.src = (uintptr_t)buf;
	copy.len = page_size;
	CHECK(!ioctl(a.uffd, UFFDIO_COPY, &copy));
	access_join(&empty);
	CHECK_EQ(empty.word, word_of(1, PAGE, 0));
	/* there is a page already, even if it is deactivated */
	copy.dst = (uintptr_t)page_of(&a, 4);
	CHECK(ioctl(a.uffd, UFFDIO_COPY, &copy) == -1 && errno == EEXIST);
	access_waits(&cold);
	do_continue(&a, 4, 1);
	access_join(&cold);
	CHECK_EQ(cold.word, word_of(1, 4, 0));
}

/* The kernel's own accesses fail instead of waiting for who might be hostile. */
static void user_mode_only(void)
{
	struct access acc;
	struct area a;

	area_map(&a, PAGES, page_size);
	write_pages(&a, all, 1);
	a.uffd = uffd_of(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK |
				 UFFD_USER_MODE_ONLY), SYNC);
	CHECK(a.uffd >= 0);
	CHECK_EQ(try_register(a.uffd, a.mem, PAGES, MINOR, NULL), 0);
	a.pagemap = open_pagemap(getpid());
	deactivate(&a);
	for (int kind = ACCESS_SYS_WRITE; kind <= ACCESS_SYS_READ; kind++) {
		access_start(&acc, kind, page_of(&a, PAGE));
		CHECK_EQ(access_join(&acc), -EFAULT);
		CHECK(!has_message(a.uffd));
	}
	EXPECT(&a, all, DEACT, DEACT, 0);
	access_start(&acc, ACCESS_WRITE, page_of(&a, PAGE));
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR | FLAG_WRITE);
	access_waits(&acc);
	do_continue(&a, PAGE, 1);
	access_join(&acc);
	EXPECT(&a, the_page, DEACT, 0, DEACT);
}

const struct test tests[] = {
	TEST(read_waits),
	TEST(write_waits),
	TEST(kernel_read_waits),
	TEST(kernel_write_waits),
	TEST(vm_writev_waits),
	TEST(switched_to_sync_waits),
	TEST(proc_mem_write_waits_or_fails),
	TEST(all_pages),
	TEST(zero_page),
	TEST(unpopulated),
	TEST(threads_on_one_page),
	TEST(address_of_message),
	TEST(signal_while_waiting),
	TEST(sigbus_feature),
	TEST(continue_active),
	TEST(continue_unpopulated),
	TEST(continue_up_to_active),
	TEST(continue_range),
	TEST(continue_wakes_its_range),
	TEST(continue_before_read),
	TEST(continue_dontwake),
	TEST(continue_of_active_wakes),
	TEST(wake_without_continue),
	TEST(continue_keeps_wp),
	TEST(continue_mode_wp),
	TEST(continue_mode_wp_refused),
	TEST(continue_in_async_mode),
	TEST(sync_wp),
	TEST(missing_and_minor),
	TEST(user_mode_only),
	{ 0 }
};
