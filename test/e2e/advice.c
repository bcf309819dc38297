// SPDX-License-Identifier: GPL-2.0-only
/*
 * advice REPORT KIND - a task with one mapping of each kind that only smaps tells apart
 *
 * Writes its pid to REPORT when they are there, and then does nothing. KIND is one more that
 * is not the same in a child: "locked", "dontfork", "wipeonfork", or "gone", which is one for
 * MADV_DONTFORK without a page; or "none".
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES (16 * 4096)

/* Only half of it is written to: the other half is not there. */
static char *area(int flags, int advice)
{
	char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED || (advice && madvise(p, BYTES, advice))) {
		perror("advice");
		_exit(1);
	}
	memset(p + BYTES / 2, 0x5a, BYTES / 2);
	/* What is beside it is another mapping. */
	mmap(NULL, 4096, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	return p;
}

int main(int argc, char **argv)
{
	static const int advices[] = { MADV_SEQUENTIAL, MADV_RANDOM, MADV_DONTDUMP, MADV_HUGEPAGE, MADV_NOHUGEPAGE };
	const char *kind = argc == 3 ? argv[2] : "";
	FILE *report;
	size_t i;

	for (i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		area(MAP_PRIVATE, advices[i]);
	area(MAP_PRIVATE | MAP_NORESERVE, 0);
	area(MAP_PRIVATE | MAP_GROWSDOWN, 0);
	area(MAP_SHARED, MADV_RANDOM);
	mprotect(area(MAP_PRIVATE, MADV_RANDOM), BYTES, PROT_NONE);
	if (!strcmp(kind, "locked"))
		mlock(area(MAP_PRIVATE, 0), BYTES);
	else if (!strcmp(kind, "dontfork"))
		area(MAP_PRIVATE, MADV_DONTFORK);
	else if (!strcmp(kind, "gone"))
		madvise(area(MAP_PRIVATE, MADV_DONTFORK), BYTES, MADV_DONTNEED);
	else if (!strcmp(kind, "wipeonfork"))
		area(MAP_PRIVATE, MADV_WIPEONFORK);
	else if (strcmp(kind, "none"))
		return 2;
	report = fopen(argv[1], "w");
	fprintf(report, "%d\n", getpid());
	fclose(report);
	for (;;)
		pause();
}
