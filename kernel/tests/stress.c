// SPDX-License-Identifier: GPL-2.0
/* Threads that access pages, against deactivation and scans. */
#define _GNU_SOURCE
#include "lib.h"

enum {
	STRESS_MS = 2000,
	STRESS_THREADS = 4,
};

/* -- threads against deactivation and scans */

/*
 * Each thread counts its accesses to a page around each of them, outside of the
 * area. An access that began after DEACTIVATE returned and ended before the
 * scan must have thawed its page. And a write that ended before the scan must
 * be in the mirror afterwards, into which the pages reported as written are
 * copied after each scan, as a checkpoint does.
 */
static struct stress {
	struct area a;
	void (*disturb)(struct stress *s);
	unsigned int rounds;
	_Atomic bool stop;
	_Atomic u64 begun[MAX_PAGES];
	_Atomic u64 ended[MAX_PAGES];
	_Atomic u64 value[MAX_PAGES];	/* last one written completely */
	u64 mirror[MAX_PAGES];
	size_t thawed, cold, written;
} stress;

static void stress_access(struct stress *s, size_t page, bool write)
{
	volatile u64 *w = (u64 *)page_of(&s->a, page);
	const size_t last = page_size / sizeof(*w) - 1;
	u64 n = s->begun[page] + 1, value = s->value[page];

	s->begun[page] = n;
	if (write) {
		w[0] = value + 1;
		w[last] = value + 1;
		s->value[page] = value + 1;
	} else if (w[0] != value || w[last] != value) {
		fail("page %zu holds %llu and %llu, not %llu", page,
		     (unsigned long long)w[0], (unsigned long long)w[last],
		     (unsigned long long)value);
	}
	s->ended[page] = n;
}

static void *stress_thread(void *arg)
{
	struct stress *s = &stress;
	const size_t id = (uintptr_t)arg;
	const size_t share = s->a.pages / STRESS_THREADS;
	unsigned int seed = id + 1;
	size_t page;

	while (!s->stop) {
		/* mostly a quarter of the pages, so that some stay cold */
		page = rand_r(&seed) % (rand_r(&seed) % 64 ? share / 4 : share);
		stress_access(s, id * share + page, rand_r(&seed) % 2);
		if (!(rand_r(&seed) % 128))
			usleep(500);
	}
	return NULL;
}

static void stress_mirror(struct stress *s, const u64 *ended_by)
{
	struct iovec local, remote;

	for (size_t p = 0; p < s->a.pages; p++) {
		if (cats[p] & WRITTEN) {
			local = (struct iovec){ &s->mirror[p], sizeof(u64) };
			remote = (struct iovec){ page_of(&s->a, p),
						 sizeof(u64) };
			CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote,
						  1, 0), sizeof(u64));
			s->written++;
		}
		if (s->mirror[p] < ended_by[p])
			fail("round %u: page %zu was written (%llu, known %llu)"
			     " and not reported, categories %#llx",
			     s->rounds, p,
			     (unsigned long long)ended_by[p],
			     (unsigned long long)s->mirror[p],
			     (unsigned long long)cats[p]);
	}
}

static void stress_round(struct stress *s)
{
	static u64 mark[MAX_PAGES], ended[MAX_PAGES], value[MAX_PAGES];

	deactivate(&s->a);
	for (size_t p = 0; p < s->a.pages; p++)
		mark[p] = s->begun[p];
	usleep(2000);
	if (s->disturb)
		s->disturb(s);
	for (size_t p = 0; p < s->a.pages; p++) {
		ended[p] = s->ended[p];
		value[p] = s->value[p];
	}
	scan(&s->a, POPULATED, SCAN_ARM);
	for (size_t p = 0; p < s->a.pages; p++)
		if (cats[p] & DEACT && ended[p] > mark[p])
			fail("round %u: page %zu was accessed and is still "
			     "deactivated, categories %#llx", s->rounds, p,
			     (unsigned long long)cats[p]);
	s->cold += count(&s->a, DEACT);
	s->thawed += s->a.pages - count(&s->a, DEACT);
	stress_mirror(s, value);
	s->rounds++;
}

static void stress_finish(struct stress *s)
{
	static u64 value[MAX_PAGES];

	for (size_t p = 0; p < s->a.pages; p++)
		value[p] = s->value[p];
	scan(&s->a, POPULATED, SCAN_ARM);
	stress_mirror(s, value);
	for (size_t p = 0; p < s->a.pages; p++) {
		CHECK_EQ(s->mirror[p], value[p]);
		stress_access(s, p, false);
		for (size_t i = 1; i < page_size / sizeof(u64) - 1; i++)
			CHECK_EQ(((u64 *)page_of(&s->a, p))[i], 0);
	}
	/* a test in which nothing ever happened proves nothing */
	CHECK(s->rounds > 3 && s->cold && s->thawed && s->written);
}

/* The area is in stress.a, mapped and filled with zeros */
static void stress_run(void (*disturb)(struct stress *s))
{
	pthread_t threads[STRESS_THREADS];
	struct stress *s = &stress;
	u64 end = now_ms() + STRESS_MS;

	s->disturb = disturb;
	area_register(&s->a, ASYNC, MINOR_WP);
	arm(&s->a);
	for (uintptr_t i = 0; i < STRESS_THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, stress_thread,
				      (void *)i));
	while (now_ms() < end)
		stress_round(s);
	s->stop = true;
	for (int i = 0; i < STRESS_THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	stress_finish(s);
}

static void stress_small(void (*disturb)(struct stress *s))
{
	area_map(&stress.a, 256, page_size);
	memset(stress.a.mem, 0, stress.a.pages * page_size);
	stress_run(disturb);
}

static void threads(void)
{
	stress_small(NULL);
}

static void threads_thp(void)
{
	huge_map(&stress.a);
	memset(stress.a.mem, 0, stress.a.pages * page_size);
	stress_run(NULL);
}

static void disturb_fork(struct stress *s)
{
	pid_t pid;

	if (s->rounds % 4)
		return;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(0);
	join_child(pid);
}

static void threads_fork(void)
{
	stress_small(disturb_fork);
}

static void disturb_pageout(struct stress *s)
{
	size_t half = s->a.pages / 2;

	CHECK(!madvise(page_of(&s->a, s->rounds % 2 * half), half * page_size,
		       MADV_PAGEOUT));
}

static void threads_pageout(void)
{
	struct area a;

	area_init(&a, ASYNC, MINOR_WP);
	swap_out(&a);
	stress_small(disturb_pageout);
}

static void disturb_migrate(struct stress *s)
{
	migrate(&s->a, s->rounds % 2);
}

static void threads_migrate(void)
{
	need_two_nodes();
	stress_small(disturb_migrate);
}

static void disturb_mprotect(struct stress *s)
{
	size_t len = s->a.pages * page_size;

	/* this may open all pages, so leave rounds in which some stay cold */
	if (s->rounds % 2)
		return;
	CHECK(!mprotect(s->a.mem, len, PROT_READ | PROT_WRITE | PROT_EXEC));
	CHECK(!mprotect(s->a.mem, len, PROT_READ | PROT_WRITE));
}

static void threads_mprotect(void)
{
	stress_small(disturb_mprotect);
}

const struct test tests[] = {
	TEST(threads),
	TEST(threads_thp),
	TEST(threads_fork),
	TEST(threads_pageout),
	TEST(threads_migrate),
	TEST(threads_mprotect),
	{ 0 }
};
