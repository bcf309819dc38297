// SPDX-License-Identifier: GPL-2.0-only
/*
 * later REPORT MIB - a task that uses its memory while that is still being restored
 *
 * Writes its pid to REPORT, and a line for each signal. It has MIB MiB with something in each page, and
 * some without a page. At SIGHUP a thread reads one that is not there, "touched", while another thread
 * discards the second page of the others; at SIGUSR1 it makes some of these read-only, discards some, and has a child
 * without the last of them, "discarded"; at SIGUSR2 it looks whether the rest is as it was and there are zeroes
 * elsewhere, "ok" or "wrong".
 *
 * Until then it uses hardly any memory but that: the rest may not be there either.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE  4096ul
#define BLOCK (64 * PAGE)

static int report, wake[2];
static char *area, *empty;
static size_t bytes;

static void say(const char *text)
{
	if (write(report, text, strlen(text)) < 0)
		_exit(1);
}

static void must(int failed, const char *what)
{
	if (!failed)
		return;
	dprintf(report > 0 ? report : 2, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

static void *touch(void *arg)
{
	size_t at = 0;
	char c;

	(void)arg;
	while (read(wake[0], &c, 1) == 1) {
		c = *(volatile char *)(empty + at);
		at += PAGE;
		say(c ? "wrong\n" : "touched\n");
	}
	return NULL;
}

static void discard_page(size_t at)
{
	must(madvise(area + at, PAGE, MADV_DONTNEED), "later: madvise");
}

/* Every other page of the one half of its memory, in blocks. */
static bool is_discarded(size_t at)
{
	return at / BLOCK % 2 == 0 && at / PAGE % 2;
}

/* Nobody tells of what a child does not have, and it lives on. */
static void have_child(void)
{
	pid_t pid;

	must(madvise(area + bytes - BLOCK, BLOCK, MADV_DONTFORK), "later: madvise");
	pid = fork();
	must(pid < 0, "later: fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void discard(void)
{
	size_t at;

	/* In the other half nobody tells of this, and what is asked for at once is in several mappings then. */
	for (at = BLOCK + 4 * PAGE; at < bytes; at += 2 * BLOCK)
		must(mprotect(area + at, PAGE, PROT_READ), "later: mprotect");
	for (at = 0; at < bytes; at += PAGE)
		if (is_discarded(at))
			discard_page(at);
	have_child();
	say("discarded\n");
}

static void verify(void)
{
	size_t at;

	for (at = 0; at < bytes; at += PAGE) {
		if (*(uint64_t *)(area + at) == (is_discarded(at) ? 0 : at + 1))
			continue;
		say("wrong\n");
		return;
	}
	say("ok\n");
}

static char *map(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p == MAP_FAILED, "later: mmap");
	return p;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	sigset_t set;
	size_t at;
	int sig;

	if (argc != 3 || !(bytes = strtoul(argv[2], NULL, 10) << 20)) {
		fprintf(stderr, "usage: later REPORT MIB\n");
		return 2;
	}
	report = open(argv[1], O_WRONLY | O_APPEND);
	must(report < 0 || pipe(wake), "later");
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);

	/* The thread's stack comes first, and lies behind the others. */
	must(pthread_create(&thread, NULL, touch, NULL), "later: pthread_create");
	area = map(bytes);
	madvise(area, bytes, MADV_NOHUGEPAGE);
	for (at = 0; at < bytes; at += PAGE)
		*(uint64_t *)(area + at) = at + 1;
	empty = map(16 * PAGE);
	dprintf(report, "%d\n", getpid());
	while (!sigwait(&set, &sig)) {
		if (sig == SIGHUP) {
			must(write(wake[1], "", 1) != 1, "later: write");
			discard_page(PAGE);
		} else if (sig == SIGUSR1) {
			discard();
		} else {
			verify();
		}
	}
	return 0;
}
