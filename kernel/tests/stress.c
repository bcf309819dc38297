// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that access pages, against deactivation and scans and what else may
 * happen to the pages at the same time. STRESS_S=SECONDS in the environment
 * makes each test take so long.
 */
#define _GNU_SOURCE
#include "lib.h"

enum {
	STRESS_PATIENCE_MS = 30000,
	STRESS_S = 2,
	CHAOS_S = 5,
	STRESS_THREADS = 4,
	STRESS_PAGES = 256,
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
	unsigned int seconds;
	u64 features;
	_Atomic bool stop;
	_Atomic bool finished;
	_Atomic u64 begun[MAX_PAGES];
	_Atomic u64 ended[MAX_PAGES];
	_Atomic u64 value[MAX_PAGES];	/* last one written completely */
	u64 mirror[MAX_PAGES];
	_Atomic u64 accesses[STRESS_THREADS];
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
		s->accesses[id]++;
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

/* A test in which nothing ever happened proves nothing. */
static bool stress_happened(const struct stress *s)
{
	return s->rounds > 3 && s->cold && s->thawed && s->written;
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
	CHECK(stress_happened(s));
}

/* Fails when one of the threads had no access for most of the time. */
static void stress_progress(struct stress *s)
{
	for (int i = 0; i < STRESS_THREADS; i++)
		if (s->accesses[i] < s->rounds / 4)
			fail("thread %d had %llu accesses in %u rounds", i,
			     (unsigned long long)s->accesses[i], s->rounds);
}

/* The area is in stress.a, filled with zeros, registered */
static void stress_run(void (*disturb)(struct stress *s))
{
	pthread_t threads[STRESS_THREADS];
	struct stress *s = &stress;
	u64 end = now_ms() + stress_s(s->seconds) * 1000;

	s->disturb = disturb;
	arm(&s->a);
	for (uintptr_t i = 0; i < STRESS_THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, stress_thread,
				      (void *)i));
	/* longer if the machine is busy */
	while (now_ms() < end ||
	       (!stress_happened(s) && now_ms() < end + STRESS_PATIENCE_MS))
		stress_round(s);
	s->stop = true;
	for (int i = 0; i < STRESS_THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	stress_finish(s);
}

static void stress_init(u64 features, unsigned int seconds, bool huge)
{
	struct stress *s = &stress;

	if (huge)
		huge_map(&s->a);
	else
		area_map(&s->a, STRESS_PAGES, page_size);
	memset(s->a.mem, 0, s->a.pages * page_size);
	s->seconds = seconds;
	s->features = features;
	area_register(&s->a, features, MINOR_WP);
}

static void stress_small(void (*disturb)(struct stress *s))
{
	stress_init(ASYNC, STRESS_S, false);
	stress_run(disturb);
}

static void threads(void)
{
	stress_small(NULL);
}

static void threads_thp(void)
{
	stress_init(ASYNC, STRESS_S, true);
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
	close(a.uffd);
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

/* -- everything at once: a thread that disturbs, one that resolves faults */

/* Chooses a part of the area. */
static char *chaos_range(struct stress *s, unsigned int *seed, size_t *len)
{
	size_t page = rand_r(seed) % s->a.pages;
	size_t pages = 1 + rand_r(seed) % (s->a.pages - page);

	*len = pages * page_size;
	return page_of(&s->a, page);
}

static void chaos_fork(struct stress *s, unsigned int *seed)
{
	pid_t pid = fork();

	(void)seed;
	CHECK(pid >= 0);
	if (!pid) {
		alarm(60);
		touch_pages(&s->a, all);
		*(volatile u64 *)s->a.mem = 0;
		_exit(0);
	}
	join_child(pid);
}

static void chaos_pageout(struct stress *s, unsigned int *seed)
{
	size_t len;
	char *mem = chaos_range(s, seed, &len);

	CHECK(!madvise(mem, len, MADV_PAGEOUT));
}

static void chaos_cold(struct stress *s, unsigned int *seed)
{
	size_t len;
	char *mem = chaos_range(s, seed, &len);

	CHECK(!madvise(mem, len, MADV_COLD));
}

static void chaos_mprotect(struct stress *s, unsigned int *seed)
{
	size_t len;
	char *mem = chaos_range(s, seed, &len);

	CHECK(!mprotect(mem, len, PROT_READ | PROT_WRITE | PROT_EXEC));
	CHECK(!mprotect(mem, len, PROT_READ | PROT_WRITE));
}

static void chaos_migrate(struct stress *s, unsigned int *seed)
{
	if (!access("/sys/devices/system/node/node1", F_OK))
		migrate(&s->a, rand_r(seed) % 2);
}

static void chaos_collapse(struct stress *s, unsigned int *seed)
{
	(void)seed;
	/* where no huge page fits, it is refused */
	madvise(s->a.mem, s->a.pages * page_size, MADV_HUGEPAGE);
	madvise(s->a.mem, s->a.pages * page_size, MADV_COLLAPSE);
}

static void chaos_compact(struct stress *s, unsigned int *seed)
{
	(void)s;
	if (!(rand_r(seed) % 8))
		file_write("/proc/sys/vm/compact_memory", "1");
}

/* Other memory of the same userfaultfd, deactivated and then moved */
static void chaos_mremap(struct stress *s, unsigned int *seed)
{
	struct area a, to;
	size_t len;
	char *mem;

	area_map(&a, 8 + rand_r(seed) % 8, page_size);
	area_map(&to, a.pages, page_size);
	len = a.pages * page_size;
	write_pages(&a, all, 1);
	CHECK_EQ(try_register(s->a.uffd, a.mem, a.pages, MINOR_WP, NULL), 0);
	a.uffd = s->a.uffd;
	deactivate(&a);
	mem = mremap(a.mem, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to.mem);
	CHECK(mem == to.mem);
	check_pages(&to, all, 1);
	write_pages(&to, all, 2);
	/* with what area_map() put around them */
	CHECK(!munmap(a.mem - page_size, len + 3 * page_size));
	CHECK(!munmap(to.mem - page_size, len + 3 * page_size));
}

static void chaos_set_mode(struct stress *s, unsigned int *seed)
{
	if (!(s->features & UFFD_FEATURE_MINOR_ASYNC))
		return;
	set_sync(&s->a);
	usleep(rand_r(seed) % 3000);
	set_async(&s->a);
}

static void *chaos_thread(void *arg)
{
	static void (*const what[])(struct stress *, unsigned int *) = {
		chaos_fork, chaos_pageout, chaos_cold, chaos_mprotect,
		chaos_migrate, chaos_collapse, chaos_compact, chaos_mremap,
		chaos_set_mode, chaos_set_mode,
	};
	unsigned int seed = 4711;

	(void)arg;
	while (!stress.stop) {
		what[rand_r(&seed) % ARRAY_SIZE(what)](&stress, &seed);
		usleep(rand_r(&seed) % 2000);
	}
	return NULL;
}

/*
 * A page may have been thawed and swapped out since its message was sent. The
 * thread that waits for it has to look for itself, then.
 */
static void *chaos_handler(void *arg)
{
	struct area *a = &stress.a;
	struct uffd_msg msg;
	unsigned int seed = 815;
	size_t page, pages;

	(void)arg;
	while (!stress.finished) {
		if (read(a->uffd, &msg, sizeof(msg)) != sizeof(msg)) {
			CHECK(errno == EAGAIN);
			usleep(200);
			continue;
		}
		CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
		page = (msg.arg.pagefault.address - (uintptr_t)a->mem) /
		       page_size;
		CHECK(page < a->pages);
		pages = rand_r(&seed) % 4 ? 1 : 16;
		if (pages > a->pages - page)
			pages = a->pages - page;
		try_continue(a, page, pages, 0, NULL);
		wake(a, page, 1);
	}
	return NULL;
}

static void chaos(u64 features, bool huge)
{
	pthread_t disturber, handler;
	struct stress *s = &stress;

	stress_init(features, CHAOS_S, huge);
	CHECK(!pthread_create(&handler, NULL, chaos_handler, NULL));
	CHECK(!pthread_create(&disturber, NULL, chaos_thread, NULL));
	stress_run(NULL);
	CHECK(!pthread_join(disturber, NULL));
	s->finished = true;
	CHECK(!pthread_join(handler, NULL));
	stress_progress(s);
}

/* Faults are resolved by the handler only. */
static void chaos_sync(void)
{
	chaos(SYNC, false);
}

static void chaos_sync_thp(void)
{
	chaos(SYNC, true);
}

/* By the kernel, and by the handler now and then */
static void chaos_modes(void)
{
	chaos(ASYNC, false);
}

static void chaos_modes_thp(void)
{
	chaos(ASYNC, true);
}

const struct test tests[] = {
	TEST(threads),
	TEST(threads_thp),
	TEST(threads_fork),
	TEST(threads_pageout),
	TEST(threads_migrate),
	TEST(threads_mprotect),
	TEST(chaos_sync),
	TEST(chaos_sync_thp),
	TEST(chaos_modes),
	TEST(chaos_modes_thp),
	{ 0 }
};
