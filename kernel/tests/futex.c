// SPDX-License-Identifier: GPL-2.0
/*
 * Futexes in sync mode. What writes to one in a deactivated page waits, as each
 * access does. A thread that ends tells who waits for its robust futexes, also
 * when all of the process ends, and nobody is left who would resolve its faults.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>
#include "lib.h"

enum { PAGE = 5 };

/* -- operations on a futex in a deactivated page */

struct operation {
	pthread_t thread;
	int op;
	uint32_t *cold;	/* the futex in question */
	long result;	/* 0 or more, or -errno */
	pid_t tid;
	_Atomic bool done;
};

static void *operation_main(void *arg)
{
	struct operation *o = arg;
	uint32_t other = 0;
	bool wake_op = o->op == FUTEX_WAKE_OP;

	o->tid = gettid();
	o->result = syscall(SYS_futex, wake_op ? &other : o->cold,
			    o->op | FUTEX_PRIVATE_FLAG, wake_op,
			    wake_op ? (void *)1UL : NULL,
			    wake_op ? o->cold : NULL,
			    FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_EQ, 0));
	if (o->result < 0)
		o->result = -errno;
	o->done = true;
	return NULL;
}

/* The operation finds 0 in the futex, waits for the page, and succeeds. */
static void operation_waits(int op, struct operation *o)
{
	struct area a;

	area_init(&a, SYNC, MINOR);
	*o = (struct operation){ .op = op, .cold = (uint32_t *)page_of(&a, PAGE) };
	*o->cold = 0;
	deactivate(&a);
	CHECK(!pthread_create(&o->thread, NULL, operation_main, o));
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR | FLAG_WRITE);
	usleep(BLOCKED_MS * 1000);
	CHECK(!o->done);
	do_continue(&a, PAGE, 1);
	CHECK(!pthread_join(o->thread, NULL));
	CHECK_EQ(o->result, 0);
}

static void lock_pi_waits(void)
{
	struct operation o;

	operation_waits(FUTEX_LOCK_PI, &o);
	CHECK_EQ(*o.cold & FUTEX_TID_MASK, o.tid);
}

static void wake_op_waits(void)
{
	struct operation o;

	operation_waits(FUTEX_WAKE_OP, &o);
	CHECK_EQ(*o.cold, 7);
}

/* -- robust futexes, whose list begins in a deactivated page */

struct lock {
	struct robust_list node;
	uint32_t futex;
};

/* In shared memory, so that the survivor sees what became of it */
static struct lock *lock;

static void lock_init(void)
{
	lock = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(lock != MAP_FAILED);
}

/* The thread that calls it holds the lock. */
static void hold(const struct area *a)
{
	struct robust_list_head *head = (void *)page_of(a, PAGE);

	head->list.next = &lock->node;
	lock->node.next = &head->list;
	head->futex_offset = offsetof(struct lock, futex) -
			     offsetof(struct lock, node);
	head->list_op_pending = NULL;
	lock->futex = gettid();
	CHECK(!syscall(SYS_set_robust_list, head, sizeof(*head)));
}

static void robust_area(struct area *a, bool shared)
{
	if (!shared) {
		area_init(a, SYNC, MINOR);
		return;
	}
	*a = (struct area){ .pages = PAGES };
	a->mem = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(a->mem != MAP_FAILED);
	write_pages(a, all, 1);
	a->uffd = open_uffd(ASYNC);
	CHECK_EQ(try_register(a->uffd, a->mem, PAGES, MINOR, NULL), 0);
	set_sync(a);
}

/* A thread that holds the lock, and ends when it is told to */
struct owner {
	pthread_t thread;
	struct area *a;
	_Atomic bool holds, end;
};

static void *owner_main(void *arg)
{
	struct owner *o = arg;

	hold(o->a);
	o->holds = true;
	while (!o->end)
		usleep(1000);
	/* not the C library's, which has a robust list of its own */
	syscall(SYS_exit, 0);
	return NULL;
}

static void owner_start(struct owner *o, struct area *a)
{
	*o = (struct owner){ .a = a };
	CHECK(!pthread_create(&o->thread, NULL, owner_main, o));
	while (!o->holds)
		usleep(1000);
	deactivate(a);
}

static void expect_abandoned(void)
{
	CHECK(__atomic_load_n(&lock->futex, __ATOMIC_SEQ_CST) &
	      FUTEX_OWNER_DIED);
}

/* Looks at the memory of a process until it ends. */
static void look_at(pid_t pid)
{
	char path[40], text[4096];
	siginfo_t info;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	do {
		int fd = open(path, O_RDONLY);

		while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
		info.si_pid = 0;
		CHECK(!waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT));
	} while (!info.si_pid);
}

/* Runs a process that ends by itself, by the signal or with 0 */
static void expect_end_looking(void (*run)(struct area *), bool shared, int sig,
			       bool look)
{
	struct area a;
	int status;
	pid_t pid;

	lock_init();
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		robust_area(&a, shared);
		run(&a);
		fail("it did not end");
	}
	if (look)
		look_at(pid);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!sig)
		CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	else
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == sig);
	expect_abandoned();
}

static void expect_end(void (*run)(struct area *), bool shared, int sig)
{
	expect_end_looking(run, shared, sig, false);
}

/* A thread ends, others go on: who resolves faults is one of those. */
static void thread_ends(bool shared)
{
	struct owner o;
	struct area a;

	lock_init();
	robust_area(&a, shared);
	owner_start(&o, &a);
	o.end = true;
	EXPECT_MESSAGE(&a, PAGE, FLAG_MINOR);
	usleep(BLOCKED_MS * 1000);
	CHECK(!(lock->futex & FUTEX_OWNER_DIED));
	do_continue(&a, PAGE, 1);
	CHECK(!pthread_join(o.thread, NULL));
	expect_abandoned();
}

static void thread_ends_anon(void)
{
	thread_ends(false);
}

static void thread_ends_shmem(void)
{
	thread_ends(true);
}

static void be_killed(struct area *a)
{
	hold(a);
	deactivate(a);
	kill(getpid(), SIGKILL);
}

static void killed_anon(void)
{
	expect_end(be_killed, false, SIGKILL);
}

static void killed_shmem(void)
{
	expect_end(be_killed, true, SIGKILL);
}

/* Too late to resolve the fault of the thread that ends already */
static void be_killed_while_one_ends(struct area *a)
{
	struct owner o;

	owner_start(&o, a);
	o.end = true;
	EXPECT_MESSAGE(a, PAGE, FLAG_MINOR);
	usleep(BLOCKED_MS * 1000);
	kill(getpid(), SIGKILL);
}

static void killed_while_one_ends_anon(void)
{
	expect_end(be_killed_while_one_ends, false, SIGKILL);
}

static void killed_while_one_ends_shmem(void)
{
	expect_end(be_killed_while_one_ends, true, SIGKILL);
}

static void exec_true(void)
{
	execl("/bin/true", "true", NULL);
	fail("/bin/true: %s", strerror(errno));
}

/* execve() leaves the memory, with a list of its own */
static void do_exec(struct area *a)
{
	hold(a);
	deactivate(a);
	exec_true();
}

static void exec_anon(void)
{
	expect_end(do_exec, false, 0);
}

static void exec_shmem(void)
{
	expect_end(do_exec, true, 0);
}

/* Another process may be who resolves the fault, but only looks. */
static void exec_while_looked_at(void)
{
	for (int round = 0; round < 10; round++)
		expect_end_looking(do_exec, false, 0, true);
}

/* It ends the other threads, and waits for them. */
static void do_exec_in_a_thread(struct area *a)
{
	struct owner o;

	owner_start(&o, a);
	exec_true();
}

static void exec_beside_threads_anon(void)
{
	expect_end(do_exec_in_a_thread, false, 0);
}

static void exec_beside_threads_shmem(void)
{
	expect_end(do_exec_in_a_thread, true, 0);
}

const struct test tests[] = {
	TEST(lock_pi_waits),
	TEST(wake_op_waits),
	TEST(thread_ends_anon),
	TEST(thread_ends_shmem),
	TEST(killed_anon),
	TEST(killed_shmem),
	TEST(killed_while_one_ends_anon),
	TEST(killed_while_one_ends_shmem),
	TEST(exec_anon),
	TEST(exec_shmem),
	TEST(exec_while_looked_at),
	TEST(exec_beside_threads_anon),
	TEST(exec_beside_threads_shmem),
	{ 0 }
};
