// SPDX-License-Identifier: GPL-2.0-only
/*
 * What takes the longer the more memory a task has, done by several threads, a piece of the
 * memory at a time. It begins while criu's own thread has other things to do; that one does
 * what is left when it needs the result.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "page.h"
#include "pieces.h"
#include "thread.h"

/*
 * A piece: large enough that its system calls do not count, small enough that no thread is left
 * with much when the others have nothing. Of a range there are not more than MAX_PIECES and one,
 * since it may be as large as the address space. None ends in the midst of a huge page.
 */
#define PIECE_BYTES (32ull << 20)
#define MAX_PIECES  256

/* What is worth another thread: to protect and scan 64 MiB takes about 1 ms, to start one 0.1 ms. */
#define THREAD_BYTES (64ull << 20)
#define MAX_THREADS  8

struct piece {
	uint64_t start, end;
	struct run_set found;
};

struct pieces {
	piece_fn fn;
	const void *arg;
	struct piece *v;
	size_t nr, cap;
	atomic_size_t next;
	atomic_int ret; /* the first error */
	pthread_t threads[MAX_THREADS];
	unsigned int nr_threads;
};

static int add(struct pieces *p, uint64_t start, uint64_t end)
{
	if (p->nr == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		struct piece *v = realloc(p->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		p->v = v;
		p->cap = cap;
	}
	p->v[p->nr++] = (struct piece){ .start = start, .end = end };
	return 0;
}

static int cut(struct pieces *p, const struct run *range)
{
	uint64_t bytes = (range->end - range->start) / MAX_PIECES, start, end;

	bytes = bytes > PIECE_BYTES ? (bytes + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1) : PIECE_BYTES;
	for (start = range->start; start < range->end; start = end) {
		end = (start & ~(HUGE_BYTES - 1)) + bytes;
		end = end < range->end ? end : range->end;
		if (add(p, start, end))
			return -ENOMEM;
	}
	return 0;
}

static void *work(void *arg)
{
	struct pieces *p = arg;
	size_t i;

	while (!p->ret && (i = p->next++) < p->nr) {
		int ret = p->fn(p->arg, p->v[i].start, p->v[i].end, &p->v[i].found), none = 0;

		if (ret)
			atomic_compare_exchange_strong(&p->ret, &none, ret);
	}
	return NULL;
}

/* How many threads besides the caller's there is something to do for. */
static unsigned int threads_for(uint64_t bytes)
{
	uint64_t nr = bytes / THREAD_BYTES + 1, most = MAX_THREADS;
	cpu_set_t cpus;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) <= MAX_THREADS)
		most = CPU_COUNT(&cpus) - 1;
	return nr < most ? nr : most;
}

static void join(struct pieces *p)
{
	while (p->nr_threads)
		pthread_join(p->threads[--p->nr_threads], NULL);
}

static void free_pieces(struct pieces *p)
{
	size_t i;

	for (i = 0; i < p->nr; i++)
		run_set_fini(&p->v[i].found);
	free(p->v);
	free(p);
}

/*
 * Has threads begin to call @fn with @arg for all of @ranges, several at once, but none when
 * it has failed once. Whatever they use has to stay until pieces_finish() or pieces_cancel().
 * Returns NULL when there is no memory.
 */
struct pieces *pieces_begin(const struct run_set *ranges, piece_fn fn, const void *arg)
{
	struct pieces *p = calloc(1, sizeof(*p));
	uint64_t bytes = 0;
	unsigned int nr;
	size_t i;

	if (!p)
		return NULL;
	p->fn = fn;
	p->arg = arg;
	for (i = 0; i < ranges->nr; i++) {
		bytes += ranges->v[i].end - ranges->v[i].start;
		if (cut(p, &ranges->v[i])) {
			free_pieces(p);
			return NULL;
		}
	}
	/* Without any, pieces_finish() does it all. */
	for (nr = threads_for(bytes); p->nr_threads < nr; p->nr_threads++)
		if (thread_start(&p->threads[p->nr_threads], work, p))
			break;
	return p;
}

/*
 * Does what is left, and waits for what others do. Appends what was found to @found, which may be
 * NULL, in the order of the ranges. Returns 0 or the first error; @p is gone.
 */
int pieces_finish(struct pieces *p, struct run_set *found)
{
	size_t i, j;
	int ret;

	work(p);
	join(p);
	ret = p->ret;
	for (i = 0; found && i < p->nr && !ret; i++) {
		struct run_set *set = &p->v[i].found;

		for (j = 0; j < set->nr && !ret; j++)
			ret = run_set_add(found, set->v[j].start, set->v[j].end, set->v[j].state);
		run_set_fini(set);
	}
	free_pieces(p);
	return ret;
}

/* Begins nothing more, and waits for what was begun. @p, which may be NULL, is gone. */
void pieces_cancel(struct pieces *p)
{
	if (!p)
		return;
	p->ret = -ECANCELED;
	join(p);
	free_pieces(p);
}
