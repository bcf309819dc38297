// SPDX-License-Identifier: GPL-2.0
/* What the kernel says about pages, in PAGEMAP_SCAN and elsewhere. */
#define _GNU_SOURCE
#include "lib.h"

u64 cats[MAX_PAGES];

int open_proc(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

int open_pagemap(pid_t pid)
{
	return open_proc(pid, "pagemap");
}

void scan(const struct area *a, u64 anyof, u64 flags)
{
	static struct page_region vec[MAX_PAGES];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = flags,
		.start = (uintptr_t)a->mem,
		.end = (uintptr_t)page_of(a, a->pages),
		.vec = (uintptr_t)vec,
		.vec_len = MAX_PAGES,
		.category_anyof_mask = anyof,
		.return_mask = DEACT | WRITTEN | POPULATED | HUGE,
	};
	long n = ioctl(a->pagemap, PAGEMAP_SCAN, &arg);

	CHECK(n >= 0 && arg.walk_end == arg.end);
	memset(cats, 0, sizeof(cats));
	for (long i = 0; i < n; i++) {
		size_t p = (vec[i].start - arg.start) / page_size;
		size_t end = (vec[i].end - arg.start) / page_size;

		while (p < end)
			cats[p++] = vec[i].categories;
	}
}

void match(const char *file, int line, const struct area *a, rule_t rule,
	   u64 mask, u64 in, u64 out)
{
	size_t wrong = 0, page = 0;

	for (size_t p = a->pages; p-- > 0;) {
		if ((cats[p] & mask) == (rule(p) ? in : out))
			continue;
		wrong++;
		page = p;
	}
	if (wrong)
		leave(EXIT_FAIL, "%s:%d: %zu of %zu pages wrong, first %zu: "
		      "categories %#llx, not %#llx", file, line, wrong, a->pages,
		      page, (unsigned long long)(cats[page] & mask),
		      (unsigned long long)(rule(page) ? in : out));
}

void arm(const struct area *a)
{
	scan(a, POPULATED, SCAN_ARM);
	EXPECT(a, all, WRITTEN, 0, 0);
}

size_t count(const struct area *a, u64 mask)
{
	size_t n = 0;

	for (size_t p = 0; p < a->pages; p++)
		n += (cats[p] & mask) != 0;
	return n;
}

u64 pagemap_entry(const struct area *a, size_t page)
{
	u64 entry;

	CHECK(pread(a->pagemap, &entry, sizeof(entry),
		    (uintptr_t)page_of(a, page) / page_size * sizeof(entry)) ==
	      sizeof(entry));
	return entry;
}

void expect_bit(int line, const struct area *a, u64 bit, rule_t rule)
{
	for (size_t p = 0; p < a->pages; p++)
		if (!(pagemap_entry(a, p) & bit) == rule(p))
			leave(EXIT_FAIL, "line %d: page %zu has pagemap entry "
			      "%#llx, wrong in %#llx", line, p,
			      (unsigned long long)pagemap_entry(a, p),
			      (unsigned long long)bit);
}

long smaps_kb(const struct area *a, const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	bool inside = false;
	char line[512];
	long kb = -1;

	CHECK(f);
	while (kb < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)a->mem >= start &&
				 (uintptr_t)a->mem < end;
		else if (inside && !strncmp(line, field, strlen(field)))
			kb = strtol(line + strlen(field), NULL, 10);
	}
	fclose(f);
	CHECK(kb >= 0);
	return kb;
}

long file_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) ==
		  (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

long vmstat(const char *name)
{
	FILE *f = fopen("/proc/vmstat", "re");
	char field[64];
	long n;

	CHECK(f);
	while (fscanf(f, "%63s %ld", field, &n) == 2) {
		if (strcmp(field, name))
			continue;
		fclose(f);
		return n;
	}
	fclose(f);
	return 0;
}

long numa_hint_faults(void)
{
	if (file_number("/proc/sys/kernel/numa_balancing") > 0)
		return 0;
	return vmstat("numa_hint_faults");
}

void clear_soft_dirty(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, "4", 1) == 1);
	close(fd);
}
