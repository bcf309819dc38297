// SPDX-License-Identifier: GPL-2.0-only
/*
 * bank - a process whose memory is only right as of one instant
 *
 * Each page of a private region is an account. Threads move money from one to another
 * all the time: they lock both pages, change both balances, number the change, write a
 * pattern that follows from the number all over the page, and note balance and number in
 * shared memory. So in every instant, with all threads held, the balances add up, each
 * page has its pattern, and both copies agree. A page from another instant than the rest
 * breaks at least one of these, and stays broken when the process goes on.
 *
 *	bank --mib N [--threads N] [--span N] [--alone] [--forks] [--huge] --report FILE
 *
 * --span: threads use the first N percent of the accounts only, so that the others are
 * cold. --alone: without shared memory, which grows with the accounts; both copies are
 * private. --forks: another thread forks children that end at once, all the time. --huge:
 * in huge pages. SIGUSR1 unmaps those that are cold. SIGUSR2 has all threads held and
 * everything looked at; "ok TRANSFERS ACCOUNTS" or "BAD what" is appended to the report,
 * which is not open otherwise. The pid is the first line.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE_BYTES  4096
#define MARKS	    56 /* every eighth word and more: a page cannot be half old */
#define START_MONEY 1000
#define MAX_THREADS 64

struct account {
	atomic_flag lock;
	int64_t balance;
	uint64_t changes;
	uint64_t marks[MARKS];
	char rest[PAGE_BYTES - 3 * 8 - MARKS * 8];
};

struct copy {
	int64_t balance;
	uint64_t changes;
};

_Static_assert(sizeof(struct account) == PAGE_BYTES, "an account is a page");

static struct account *accounts;
static struct copy *copies;
static uint64_t nr_accounts, nr_used;
static const char *report;
/* or who verifies would never get it */
static pthread_rwlock_t held = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static struct {
	_Alignas(64) uint64_t n;
} transfers[MAX_THREADS];

static uint64_t mix(uint64_t x)
{
	/* splitmix64, Steele, Lea, Flood 2014 */
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static void say(const char *fmt, ...)
{
	char line[200];
	va_list ap;
	int fd, len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fd = open(report, O_WRONLY | O_APPEND | O_CREAT, 0600);
	if (fd < 0 || write(fd, line, len) != len)
		_exit(1);
	close(fd);
}

static void change(uint64_t i, int64_t by)
{
	struct account *a = &accounts[i];
	int m;

	a->balance += by;
	a->changes++;
	for (m = 0; m < MARKS; m++)
		a->marks[m] = mix(i ^ a->changes << 32 ^ m);
	copies[i] = (struct copy){ a->balance, a->changes };
}

static void lock(uint64_t i)
{
	while (atomic_flag_test_and_set_explicit(&accounts[i].lock, memory_order_acquire))
		sched_yield();
}

static void unlock(uint64_t i)
{
	atomic_flag_clear_explicit(&accounts[i].lock, memory_order_release);
}

static void *work(void *arg)
{
	uint64_t self = (uintptr_t)arg, state = mix(self);

	for (;;) {
		uint64_t a = (state = mix(state)) % nr_used, b = (state = mix(state)) % nr_used;

		if (a == b)
			continue;
		pthread_rwlock_rdlock(&held);
		lock(a < b ? a : b);
		lock(a < b ? b : a);
		change(a, -(int64_t)(state % 100));
		change(b, state % 100);
		unlock(a);
		unlock(b);
		transfers[self].n++;
		pthread_rwlock_unlock(&held);
	}
	return NULL;
}

static void *fork_away(void *arg)
{
	int status;

	(void)arg;
	for (;;) {
		pid_t child = fork();

		if (!child) {
			/* It has pages of its own, which it may use. */
			accounts[nr_used / 2].changes++;
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			say("BAD child\n");
		usleep(1000);
	}
	return NULL;
}

static void verify(void)
{
	uint64_t i, sum = 0, done = 0;
	int m;

	for (i = 0; i < nr_accounts; i++) {
		const struct account *a = &accounts[i];

		sum += a->balance;
		if (a->balance != copies[i].balance || a->changes != copies[i].changes) {
			say("BAD account %" PRIu64 ": change %" PRIu64 " here, %" PRIu64 " in the copy\n", i,
			    a->changes, copies[i].changes);
			return;
		}
		for (m = 0; m < MARKS; m++)
			if (a->marks[m] != mix(i ^ a->changes << 32 ^ m)) {
				say("BAD account %" PRIu64 ": not the pattern of change %" PRIu64 "\n", i, a->changes);
				return;
			}
	}
	if (sum != nr_accounts * START_MONEY) {
		say("BAD sum: %" PRIu64 " instead of %" PRIu64 "\n", sum, nr_accounts * START_MONEY);
		return;
	}
	for (i = 0; i < MAX_THREADS; i++)
		done += transfers[i].n;
	say("ok %" PRIu64 " %" PRIu64 "\n", done, nr_accounts);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "threads", required_argument, NULL, 't' },
		{ "span", required_argument, NULL, 's' },
		{ "report", required_argument, NULL, 'r' },
		{ "alone", no_argument, NULL, 'a' },
		{ "forks", no_argument, NULL, 'f' },
		{ "huge", no_argument, NULL, 'h' },
		{},
	};
	uint64_t mib = 0, threads = 4, span = 100, i;
	sigset_t set;
	int c, sig, shared = MAP_SHARED, forks = 0, advice = MADV_NOHUGEPAGE;
	pthread_t thread;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'm')
			mib = strtoull(optarg, NULL, 0);
		else if (c == 't')
			threads = strtoull(optarg, NULL, 0);
		else if (c == 's')
			span = strtoull(optarg, NULL, 0);
		else if (c == 'a')
			shared = MAP_PRIVATE;
		else if (c == 'f')
			forks = 1;
		else if (c == 'h')
			advice = MADV_HUGEPAGE;
		else if (c == 'r')
			report = optarg;
		else
			return 2;
	}
	nr_accounts = mib * 256;
	nr_used = nr_accounts * span / 100;
	if (!mib || !report || !threads || threads > MAX_THREADS || nr_used < 2 || span > 100) {
		fprintf(stderr,
			"usage: bank --mib N [--threads N] [--span PERCENT] [--alone] [--forks] [--huge] --report FILE\n");
		return 2;
	}
	accounts = mmap(NULL, nr_accounts * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	copies = mmap(NULL, nr_accounts * sizeof(*copies), PROT_READ | PROT_WRITE, shared | MAP_ANONYMOUS, -1, 0);
	if (accounts == MAP_FAILED || copies == MAP_FAILED) {
		perror("bank: mmap");
		return 1;
	}
	if (madvise(accounts, nr_accounts * PAGE_BYTES, advice) && advice == MADV_HUGEPAGE) {
		perror("bank: madvise");
		return 1;
	}
	for (i = 0; i < nr_accounts; i++)
		change(i, START_MONEY);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < threads + forks; i++) {
		if (pthread_create(&thread, NULL, i < threads ? work : fork_away, (void *)(uintptr_t)i)) {
			perror("bank: pthread_create");
			return 1;
		}
	}
	setsid();
	say("%d\n", getpid());
	while (!sigwait(&set, &sig)) {
		if (sig == SIGUSR1) {
			/* At once: threads do not use it, and one that wants the lock may wait for long. */
			munmap(accounts + nr_used, (nr_accounts - nr_used) * PAGE_BYTES);
			nr_accounts = nr_used;
			continue;
		}
		pthread_rwlock_wrlock(&held);
		verify();
		pthread_rwlock_unlock(&held);
	}
	return 1;
}
