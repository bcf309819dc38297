// SPDX-License-Identifier: GPL-2.0
/* What happens to pages besides accesses: reclaim, migration and the like. */
#define _GNU_SOURCE
#include <sys/stat.h>
#include "lib.h"

#define KSM "/sys/kernel/mm/ksm/"
#define CGROUP "/sys/fs/cgroup"
#define NUMA_DEBUG "/sys/kernel/debug/sched/numa_balancing/"

enum {
	/* pages in another CPU's LRU batch are passed over at first */
	RECLAIM_TRIES = 50,
	KSM_SCANS = 4,
	NUMA_SPIN_MS = 4000,
};

void need_swap(void)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[256];
	int lines = 0;

	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (lines < 2)
		skip("no swap");
	fclose(f);
}

void swap_out(const struct area *a)
{
	need_swap();
	for (int i = 0; i < RECLAIM_TRIES; i++) {
		CHECK(!madvise(a->mem, a->pages * page_size, MADV_PAGEOUT));
		scan(a, POPULATED, 0);
		if (count(a, SWAPPED) == a->pages)
			return;
		usleep(20000);
	}
	if (count(a, SWAPPED) < a->pages / 2)
		fail("%zu of %zu pages swapped out", count(a, SWAPPED),
		     a->pages);
}

void need_two_nodes(void)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		skip("one NUMA node only");
}

size_t migrate(const struct area *a, int node)
{
	static void *addrs[MAX_PAGES];
	static int nodes[MAX_PAGES], status[MAX_PAGES];
	size_t n = 0;

	for (size_t p = 0; p < a->pages; p++) {
		addrs[p] = page_of(a, p);
		nodes[p] = node;
	}
	CHECK(syscall(SYS_move_pages, 0, a->pages, addrs, nodes, status,
		      1 << 1 /* MPOL_MF_MOVE */) >= 0);
	for (size_t p = 0; p < a->pages; p++)
		n += status[p] == node;
	return n;
}

void migrate_twice(const struct area *a)
{
	need_two_nodes();
	migrate(a, 1);
	migrate(a, 0);
}

/*
 * Only what is charged to a group can be reclaimed from it, so the area's pages
 * have to be of the group that the test runs in.
 */
void reclaim_cgroup(const struct area *a)
{
	char group[256], path[512];
	FILE *f = fopen("/proc/self/cgroup", "re");

	need_swap();
	if (!f || fscanf(f, "0::%255s", group) != 1)
		skip("no unified control group");
	fclose(f);
	snprintf(path, sizeof(path), CGROUP "%s/memory.reclaim", group);
	if (access(path, W_OK))
		skip("no %s", path);
	for (int i = 0; i < 5; i++) {
		/* EAGAIN: less than that could be reclaimed */
		if (!file_write(path, "64M swappiness=200"))
			file_write(path, "64M");
		scan(a, POPULATED, 0);
		if (count(a, SWAPPED) == a->pages)
			break;
	}
}

void compact_memory(const struct area *a)
{
	(void)a;
	if (!file_write("/proc/sys/vm/compact_memory", "1"))
		skip("no compaction");
}

int try_collapse(const struct area *a)
{
	size_t len = a->pages * page_size;

	CHECK(!madvise(a->mem, len, MADV_HUGEPAGE));
	return madvise(a->mem, len, MADV_COLLAPSE) ? -errno : 0;
}

/* A copy of the area, made without an access to it, for KSM to find */
static void *twin(const struct area *a)
{
	size_t len = a->pages * page_size;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(mem != MAP_FAILED && !madvise(mem, len, MADV_NOHUGEPAGE));
	for (size_t p = 0; p < a->pages; p++)
		peek(a, getpid(), p, mem + p * page_size);
	CHECK(!madvise(mem, len, MADV_MERGEABLE));
	return mem;
}

static void ksm_scan(void)
{
	long scans = file_number(KSM "full_scans");

	CHECK(file_write(KSM "run", "1"));
	while (file_number(KSM "full_scans") < scans + KSM_SCANS)
		usleep(10000);
	CHECK(file_write(KSM "run", "0"));
}

/*
 * Of two equal pages KSM keeps one where it is and replaces the other. So there
 * are two twins to be merged first; then all entries of the area are replaced.
 */
void ksm_merge(const struct area *a)
{
	if (file_number(KSM "full_scans") < 0)
		skip("no KSM");
	file_write(KSM "smart_scan", "0");
	CHECK(file_write(KSM "sleep_millisecs", "0"));
	CHECK(file_write(KSM "pages_to_scan", "4096"));
	twin(a);
	twin(a);
	ksm_scan();
	CHECK(!madvise(a->mem, a->pages * page_size, MADV_MERGEABLE));
	ksm_scan();
}

static void *spin(void *end)
{
	while (now_ms() < *(u64 *)end)
		;
	return NULL;
}

/*
 * Two threads, as the pages of a process with one are left alone where they
 * are on its node.
 */
void numa_hinting(const struct area *a)
{
	const char *knob = "/proc/sys/kernel/numa_balancing";
	long updates = vmstat("numa_pte_updates");
	u64 end = now_ms() + NUMA_SPIN_MS;
	pthread_t thread;

	(void)a;
	need_two_nodes();
	file_write(NUMA_DEBUG "scan_delay_ms", "10");
	file_write(NUMA_DEBUG "scan_period_min_ms", "10");
	if (!file_write(knob, "1"))
		skip("no NUMA balancing");
	CHECK(!pthread_create(&thread, NULL, spin, &end));
	spin(&end);
	CHECK(!pthread_join(thread, NULL));
	CHECK(file_write(knob, "0"));
	if (vmstat("numa_pte_updates") == updates)
		skip("NUMA balancing has hinted nothing");
}
