// SPDX-License-Identifier: GPL-2.0-only
/* That all is done, once, whoever does it, and found in order: criu-plugin/pieces.c. */
#define _GNU_SOURCE
#include "scan.c"
#include "pieces.c"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

#define MIB	  (1024 * 1024ull)
#define MAX_CALLS 1000

/* A small range, one that begins and ends in huge pages, and one for which there are larger pieces. */
static struct run ranges_v[] = {
	{ .start = MIB, .end = MIB + 3 * PAGE_BYTES },
	{ .start = 5 * MIB, .end = 517 * MIB },
	{ .start = 1024 * MIB, .end = 1025 * MIB + 3 * MAX_PIECES * PIECE_BYTES },
};
static const struct run_set ranges = { .v = ranges_v, .nr = sizeof(ranges_v) / sizeof(*ranges_v) };

static struct job {
	struct run calls[MAX_CALLS];
	atomic_size_t nr_calls;
	uint64_t slow_at, fails_at;
	bool waits; /* until it is cancelled */
} job;

static struct pieces *_Atomic cancelled;

static bool no_threads;
static atomic_uint nr_threads;

int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	if (no_threads)
		return -EAGAIN;
	nr_threads++;
	return -pthread_create(thread, NULL, fn, arg);
}

/* In every second MiB there is a page, of one of two kinds. */
static int find(uint64_t start, uint64_t end, struct run_set *found)
{
	uint64_t at = (start + 2 * MIB - 1) / (2 * MIB) * (2 * MIB);
	int ret = 0;

	for (; at < end && !ret; at += 2 * MIB)
		ret = run_set_add(found, at, at + PAGE_BYTES, at / (2 * MIB) % 2);
	return ret;
}

static int do_call(const void *arg, uint64_t start, uint64_t end, struct run_set *found)
{
	size_t nr = job.nr_calls++;

	if (nr >= MAX_CALLS)
		return -E2BIG;
	job.calls[nr] = (struct run){ .start = start, .end = end };
	if (start <= job.slow_at && job.slow_at < end)
		usleep(50000);
	while (job.waits && !(cancelled && cancelled->ret))
		usleep(1000);
	if (start <= job.fails_at && job.fails_at < end)
		return -EAGAIN;
	return find(start, end, found);
}

static void reset(void)
{
	job.nr_calls = 0;
	job.slow_at = job.fails_at = UINT64_MAX;
	nr_threads = 0;
}

static int by_start(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Whether calls were made for all, and for nothing twice. */
static bool once(void)
{
	size_t i, n = 0;

	qsort(job.calls, job.nr_calls, sizeof(*job.calls), by_start);
	for (i = 0; i < ranges.nr; i++) {
		uint64_t at = ranges.v[i].start;

		while (at < ranges.v[i].end) {
			if (n == job.nr_calls || job.calls[n].start != at || job.calls[n].end <= at)
				return false;
			at = job.calls[n++].end;
			if (at > ranges.v[i].end || (at < ranges.v[i].end && at % HUGE_BYTES))
				return false;
		}
	}
	return n == job.nr_calls;
}

static bool complete(const struct run_set *found)
{
	struct run_set all = {};
	bool same;
	size_t i;

	for (i = 0; i < ranges.nr; i++)
		find(ranges.v[i].start, ranges.v[i].end, &all);
	same = all.nr == found->nr;
	for (i = 0; same && i < all.nr; i++)
		same = !by_start(&all.v[i], &found->v[i]) && all.v[i].state == found->v[i].state;
	run_set_fini(&all);
	return same;
}

static void test_all(const char *who)
{
	struct run_set found = {};
	struct pieces *p;

	reset();
	/* Whoever has that one is late. */
	job.slow_at = 5 * MIB;
	p = pieces_begin(&ranges, do_call, NULL);
	check(who, p && !pieces_finish(p, &found));
	check("... all of it, once, and cut where no huge page is", once());
	check("... and what is found is in order", complete(&found));
	check("not in more pieces than is allowed", job.nr_calls <= 1 + 17 + MAX_PIECES + 1);
	run_set_fini(&found);
}

static void test_errors(void)
{
	struct run_set found = {};
	struct pieces *p;

	reset();
	job.fails_at = 100 * MIB;
	p = pieces_begin(&ranges, do_call, NULL);
	check("an error is told", pieces_finish(p, &found) == -EAGAIN && !found.nr);

	reset();
	no_threads = true;
	job.fails_at = 100 * MIB;
	p = pieces_begin(&ranges, do_call, NULL);
	check("... and ends it", pieces_finish(p, &found) == -EAGAIN && job.nr_calls == 5);
	no_threads = false;

	reset();
	p = pieces_begin(&ranges, do_call, NULL);
	check("what is found can be ignored", !pieces_finish(p, NULL) && once());

	reset();
	job.waits = true;
	cancelled = pieces_begin(&ranges, do_call, NULL);
	pieces_cancel(cancelled);
	check("cancelled, nothing more is begun", job.nr_calls <= nr_threads);
	job.waits = false;
	pieces_cancel(NULL);

	reset();
	p = pieces_begin(&(struct run_set){}, do_call, NULL);
	check("nothing to do is done", !pieces_finish(p, &found) && !job.nr_calls && !found.nr);
}

static void test_threads(void)
{
	cpu_set_t all, one;

	check("there is a limit to threads", threads_for(UINT64_MAX / 2) <= MAX_THREADS);
	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	check("none on one CPU", threads_for(UINT64_MAX / 2) == 0);
	sched_setaffinity(0, sizeof(all), &all);
	check("one for little memory, if there is a CPU", threads_for(0) == (CPU_COUNT(&all) > 1));
	reset();
	pieces_finish(pieces_begin(&ranges, do_call, NULL), NULL);
	check("as many as there is something to do for", nr_threads == threads_for(UINT64_MAX / 2));
}

int main(void)
{
	test_all("several threads do it");
	no_threads = true;
	test_all("without a thread it is done as well");
	no_threads = false;
	test_errors();
	test_threads();
	return tap_done();
}
