// SPDX-License-Identifier: GPL-2.0-only
/*
 * inherit REPORT - a thread that waits for a mutex with priority inheritance, which is alone in its page
 *
 * Writes its pid to REPORT when it waits. At SIGUSR1 the mutex is let go of; "got it" is written to
 * REPORT when the thread has it, or why not.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OTHERS_BYTES (64ul << 20)

static pthread_mutex_t *mutex;
static const char *path;

static void report(const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f)) {
		perror(path);
		exit(1);
	}
}

static void *wait_for_it(void *arg)
{
	int ret = pthread_mutex_lock(mutex);

	(void)arg;
	report(ret ? strerror(ret) : "got it\n");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_mutexattr_t attr;
	pthread_t thread;
	sigset_t asked;
	char *others;
	char text[32];
	int sig;

	if (argc != 2)
		return 2;
	path = argv[1];
	/* With a handler, and pause(), one that comes just when that is called again after a restore is lost. */
	sigemptyset(&asked);
	sigaddset(&asked, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &asked, NULL);
	mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mutex == MAP_FAILED || pthread_mutexattr_init(&attr) ||
	    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) || pthread_mutex_init(mutex, &attr) ||
	    pthread_mutex_lock(mutex) || pthread_create(&thread, NULL, wait_for_it, NULL))
		return 1;
	/* Below it, to be read before it. */
	others = mmap(NULL, OTHERS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (others == MAP_FAILED)
		return 1;
	memset(others, 1, OTHERS_BYTES);
	sleep(1);
	snprintf(text, sizeof(text), "%d\n", getpid());
	report(text);
	sigwait(&asked, &sig);
	pthread_mutex_unlock(mutex);
	pthread_join(thread, NULL);
	for (;;)
		pause();
}
