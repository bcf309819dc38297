// SPDX-License-Identifier: GPL-2.0
/*
 * PROCMAP_QUERY_VMA_MNEMONICS: says what VmFlags of smaps says, of the VMA that the
 * query finds, and is about nothing else. In any process that may be looked at.
 */
#define _GNU_SOURCE
#include <signal.h>
#include "lib.h"

/* Returns 0 or -errno. */
static int try_query(int fd, struct procmap_query *q, u64 addr, u64 flags, char *buf, size_t size)
{
	*q = (struct procmap_query){
		.size = sizeof(*q),
		.query_flags = flags,
		.query_addr = addr,
		.vma_name_addr = (uintptr_t)buf,
		.vma_name_size = size,
	};
	return ioctl(fd, PROCMAP_QUERY, q) ? -errno : 0;
}

static int try_mnemonics(int fd, struct procmap_query *q, u64 addr, char *buf, size_t size)
{
	return try_query(fd, q, addr, PROCMAP_QUERY_VMA_MNEMONICS, buf, size);
}

/* A mapping of each kind that only these flags tell apart */
static void map_all_kinds(struct area *registered)
{
	static const int advices[] = {
		0, MADV_SEQUENTIAL, MADV_RANDOM, MADV_DONTDUMP, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTFORK,
		MADV_WIPEONFORK, MADV_MERGEABLE,
	};
	static const int flags[] = {
		MAP_PRIVATE | MAP_NORESERVE, MAP_PRIVATE | MAP_GROWSDOWN, MAP_PRIVATE | MAP_LOCKED, MAP_SHARED,
	};
	struct area a;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		area_map(&a, PAGES, page_size);
		madvise(a.mem, PAGES * page_size, advices[i]);
		write_pages(&a, even, 1);
	}
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		CHECK(mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE, flags[i] | MAP_ANONYMOUS, -1, 0) !=
		      MAP_FAILED);
	area_init_cold(registered, ASYNC, MINOR_WP);
}

/*
 * Compares each mapping of the process with what smaps says, and returns how many
 * there are.
 */
static size_t compare(pid_t pid)
{
	int maps = open_proc(pid, "maps");
	char line[512], buf[256];
	u64 start = 0, end = 0;
	struct procmap_query q;
	size_t nr = 0;
	FILE *smaps;

	smaps = fdopen(open_proc(pid, "smaps"), "r");
	CHECK(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			start = from;
			end = to;
		} else if (!strncmp(line, "VmFlags: ", 9)) {
			/* vsyscall is in the list, and no VMA of the process */
			if (start >> 63) {
				CHECK_EQ(try_mnemonics(maps, &q, start, buf, sizeof(buf)), -ENOENT);
				continue;
			}
			memset(buf, 'x', sizeof(buf));
			CHECK_EQ(try_mnemonics(maps, &q, end - 1, buf, sizeof(buf)), 0);
			line[strcspn(line, "\n")] = '\0';
			CHECK(memchr(buf, '\0', sizeof(buf)));
			if (strcmp(buf, line + 9))
				fail("%#llx: \"%s\", and smaps says \"%s\"", (unsigned long long)start, buf, line + 9);
			CHECK_EQ(q.vma_name_size, strlen(buf) + 1);
			CHECK_EQ(q.vma_start, start);
			CHECK_EQ(q.vma_end, end);
			nr++;
		}
	}
	fclose(smaps);
	close(maps);
	return nr;
}

static bool has(const char *mnemonics, const char *one)
{
	const char *at = strstr(mnemonics, one);

	return at && (at - mnemonics) % 3 == 0 && at[2] == ' ';
}

static void as_in_smaps(void)
{
	struct area a;

	map_all_kinds(&a);
	CHECK(compare(getpid()) > 14);
	EXPECT(&a, all, DEACT, DEACT, 0);
}

static void of_another_process(void)
{
	struct area a;
	struct target t = target_start(&a, ASYNC, MINOR_WP);

	CHECK(compare(t.pid) > 3);
	EXPECT(&a, all, DEACT, DEACT, 0);
	target_end(&t);
}

static void of_a_process_that_is_gone(void)
{
	struct procmap_query q;
	char buf[256];
	pid_t pid = fork();
	int maps;

	if (!pid) {
		pause();
		_exit(0);
	}
	maps = open_proc(pid, "maps");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)&q, buf, sizeof(buf)), -ESRCH);
}

static void changes_are_seen(void)
{
	int maps = open_proc(getpid(), "maps");
	struct procmap_query q;
	struct area a;
	char buf[256];

	area_map(&a, PAGES, page_size);
	CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)a.mem, buf, sizeof(buf)), 0);
	CHECK(has(buf, "rd") && has(buf, "wr") && !has(buf, "dc") && !has(buf, "ui") && !has(buf, "lo"));
	CHECK(!madvise(a.mem, PAGES * page_size, MADV_DONTFORK) && !mlock(a.mem, PAGES * page_size));
	area_register(&a, ASYNC, MINOR_WP);
	CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)a.mem, buf, sizeof(buf)), 0);
	CHECK(has(buf, "dc") && has(buf, "lo") && has(buf, "ui") && has(buf, "uw"));
}

/* What they need and not one less; the buffer is left alone then. */
static void sizes(void)
{
	int maps = open_proc(getpid(), "maps");
	struct procmap_query q;
	char buf[256], other[256];
	size_t size;

	CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)&q, buf, sizeof(buf)), 0);
	size = q.vma_name_size;
	memset(other, 'x', sizeof(other));
	CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)&q, other, size), 0);
	CHECK(!strcmp(buf, other) && other[size] == 'x');
	for (other[0] = 'x'; --size;) {
		CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)&q, other, size), -ENAMETOOLONG);
		CHECK(other[0] == 'x');
	}
	CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)&q, NULL, 0), -EINVAL);
	CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)&q, NULL, 256), -EINVAL);
	CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)&q, buf, 0), -EINVAL);
	CHECK_EQ(try_mnemonics(maps, &q, (uintptr_t)&q, (char *)1, 256), -EFAULT);
}

/* Which VMA is found, and what else is told, are as without the flag. */
static void nothing_else(void)
{
	static const u64 modifiers[] = {
		0,
		PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
		PROCMAP_QUERY_FILE_BACKED_VMA,
		PROCMAP_QUERY_COVERING_OR_NEXT_VMA | PROCMAP_QUERY_FILE_BACKED_VMA,
		PROCMAP_QUERY_COVERING_OR_NEXT_VMA | PROCMAP_QUERY_VMA_EXECUTABLE,
		PROCMAP_QUERY_COVERING_OR_NEXT_VMA | PROCMAP_QUERY_VMA_SHARED,
	};
	int maps = open_proc(getpid(), "maps");
	char name[4096], buf[256];
	struct procmap_query q, w;
	struct area a;

	area_map(&a, PAGES, page_size);
	u64 addrs[] = { 0, (uintptr_t)a.mem, (uintptr_t)nothing_else, (uintptr_t)&q, -1 };

	for (size_t m = 0; m < ARRAY_SIZE(modifiers); m++)
		for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
			int without = try_query(maps, &w, addrs[i], modifiers[m], name, sizeof(name));
			int with = try_query(maps, &q, addrs[i], modifiers[m] | PROCMAP_QUERY_VMA_MNEMONICS, buf,
					     sizeof(buf));

			CHECK_EQ(with, without);
			if (with)
				continue;
			CHECK_EQ(q.query_flags, modifiers[m] | PROCMAP_QUERY_VMA_MNEMONICS);
			q.query_flags = w.query_flags;
			q.vma_name_addr = w.vma_name_addr;
			q.vma_name_size = w.vma_name_size;
			CHECK(!memcmp(&q, &w, sizeof(q)));
		}
	/* Flags that nobody knows are refused as before. */
	CHECK_EQ(try_query(maps, &q, (uintptr_t)&q, 0x80000000, buf, sizeof(buf)), -EINVAL);
	CHECK_EQ(try_query(maps, &q, (uintptr_t)&q, 0x20000000, buf, sizeof(buf)), -EINVAL);
}

const struct test tests[] = {
	TEST(as_in_smaps),
	TEST(of_another_process),
	TEST(of_a_process_that_is_gone),
	TEST(changes_are_seen),
	TEST(sizes),
	TEST(nothing_else),
	{ 0 }
};
