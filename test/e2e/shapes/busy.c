// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that write all the time, also while pages are copied. Each has a part of
 * the area and writes its pages in turn; what a page must hold follows from how
 * many the thread has written. The count is in other memory than the pages, so
 * either shows if the other reverts.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include "shapes.h"

struct writer {
	const struct area *area;
	atomic_uint done;
	atomic_bool parked;
};

static struct writer writers[MAX_THREADS];
static atomic_bool paused;
static unsigned int started;

static void nap(void)
{
	nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
}

/* The page that is the @n-th, from 1 on, that thread @thread writes. */
static uint32_t page_of(const struct area *a, unsigned int thread, uint32_t n)
{
	uint32_t each = a->pages / prog.threads;

	return thread * each + (n - 1) % each;
}

static struct cell cell_of(const struct area *a, unsigned int thread, uint32_t n)
{
	return (struct cell) { .holds = ROUND + n, .origin = page_of(a, thread, n), .writer = thread };
}

static void *write_on(void *argument)
{
	struct writer *w = argument;
	unsigned int thread = w - writers;

	for (;;) {
		struct cell c;

		nap();
		/* Told before it is asked again, so that none is thought parked that is not. */
		w->parked = false;
		if (paused) {
			w->parked = true;
			continue;
		}
		c = cell_of(w->area, thread, w->done + 1);
		fill_page((uint64_t *)cell_at(w->area, c.origin), w->area, &c);
		w->done++;
	}
	return NULL;
}

/* Starts the threads, and waits until each has written something. */
void busy_start(struct area *a)
{
	for (unsigned int i = 0; i < prog.threads; i++) {
		pthread_t thread;
		int error;

		writers[i].area = a;
		error = pthread_create(&thread, NULL, write_on, &writers[i]);
		if (error)
			die("cannot start a thread: %s", strerror(error));
		started++;
		while (!writers[i].done)
			nap();
	}
}

/* Makes the threads wait before they write the next page, or go on. */
void busy_pause(bool pause)
{
	paused = pause;
	for (unsigned int i = 0; pause && i < started && !prog.me; i++)
		while (!writers[i].parked)
			nap();
}

/* What the area holds; meant for when the threads are paused. */
void busy_model(const struct area *a, struct cell *cells)
{
	uint32_t each = a->pages / prog.threads;

	for (unsigned int thread = 0; thread < prog.threads; thread++) {
		uint32_t done = writers[thread].done;

		for (uint32_t n = done > each ? done - each + 1 : 1; n <= done; n++) {
			struct cell c = cell_of(a, thread, n), *to = &cells[c.origin];

			to->holds = c.holds;
			to->origin = c.origin;
			to->writer = c.writer;
		}
	}
}
