// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads in criu, which has none of its own and does what a process with several cannot do, or
 * not in the same way.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "thread.h"

struct start {
	void *(*fn)(void *);
	void *arg;
};

static void *run(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	/* Threads that share the current directory keep criu from entering mount namespaces. */
	unshare(CLONE_FS);
	return start.fn(start.arg);
}

/* Starts a thread that gets no signals: those are criu's. Returns 0 or -errno. */
int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	struct start *start = malloc(sizeof(*start));
	sigset_t everything, before;
	int ret;

	if (!start)
		return -ENOMEM;
	*start = (struct start){ fn, arg };
	sigfillset(&everything);
	pthread_sigmask(SIG_SETMASK, &everything, &before);
	ret = pthread_create(thread, NULL, run, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		free(start);
	return -ret;
}
