// SPDX-License-Identifier: GPL-2.0-only
/*
 * 64 threads, each with pages of its own beside those of the others, and with a large
 * local array on a stack of its own: mappings that many threads write to in all the time
 * between their stop and the next. A page or a part of a stack that was written by one
 * thread while another one was looked at comes back with an older generation.
 */
#include <pthread.h>

#include "frazil.h"

const char *test_doc = "Threads that all write have their pages and stacks";
const char *test_author = "Frazil";

#define THREADS	    64
#define PAGES	    16
#define STACK_PAGES 8

static struct area a;

static int write_and_check(unsigned int thread)
{
	char local[(STACK_PAGES + 1) * PAGE_BYTES];
	unsigned int gens[STACK_PAGES] = {}, i;
	struct area stack = {
		.mem = (char *)(((uintptr_t)local + PAGE_BYTES - 1) & -PAGE_BYTES),
		.gens = gens,
		.pages = STACK_PAGES,
		.first = 1000000 + thread * STACK_PAGES,
	};

	/* There may be remains of calls that have returned. */
	memset(local, 0, sizeof(local));
	for (i = 0; test_go(); i = i * 5 + 1) {
		if (area_write(&a, i % PAGES * THREADS + thread, 1) || area_write(&stack, i % STACK_PAGES, 1))
			return 1;
		usleep(10000 + thread * 200);
	}
	for (i = 0; i < PAGES; i++)
		if (area_check(&a, i * THREADS + thread, 1))
			return 1;
	return area_check_all(&stack);
}

static void *run(void *arg)
{
	return (void *)(uintptr_t)write_and_check((uintptr_t)arg);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	uintptr_t i;
	int bad = 0;
	void *ret;

	test_init(argc, argv);

	if (area_map(&a, PAGES * THREADS, 0))
		return 1;
	for (i = 0; i < THREADS; i++) {
		errno = pthread_create(&threads[i], NULL, run, (void *)i);
		if (errno) {
			pr_perror("cannot create a thread");
			return 1;
		}
	}

	test_daemon();
	test_waitsig();

	for (i = 0; i < THREADS; i++) {
		errno = pthread_join(threads[i], &ret);
		if (errno)
			bad |= pr_perror("cannot join a thread");
		else if (ret)
			bad |= fail("thread %lu found something", (long)i);
	}
	return test_end(bad);
}
