// SPDX-License-Identifier: GPL-2.0-only
/*
 * shmem REPORT MIB - pages.c for shared anonymous memory, in small
 *
 * Prints its pid and goes to the background. SIGUSR1: one round, which writes every
 * eighth page. SIGUSR2: verifies all. Answers are lines in the report, as of pages.c.
 *
 * Round r writes the pages p with p % 8 == r % 8, so what each has to hold follows from
 * the number of rounds: its own number and the last round that wrote it, at its start
 * and at its end, and nothing in between.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_WORDS 512
#define STRIDE	   8

static const char *report_path;
static uint64_t *memory;
static uint64_t pages;
static uint32_t rounds;

/* The file is open only meanwhile: nothing of it is in the images. */
__attribute__((format(printf, 1, 2)))
static void report(const char *format, ...)
{
	int fd = open(report_path, O_WRONLY | O_APPEND | O_CLOEXEC);
	va_list ap;

	if (fd < 0)
		return;
	va_start(ap, format);
	vdprintf(fd, format, ap);
	va_end(ap);
	close(fd);
}

static uint32_t expected_round(uint64_t page)
{
	uint32_t back = (rounds - page) % STRIDE;

	return back < rounds ? rounds - back : 0;
}

static void write_page(uint64_t page, uint32_t round)
{
	uint64_t *words = memory + page * PAGE_WORDS;

	words[0] = words[PAGE_WORDS - 1] = page << 32 | round;
}

static void run_round(void)
{
	uint64_t page, count = 0;

	rounds++;
	for (page = rounds % STRIDE; page < pages; page += STRIDE, count++)
		write_page(page, rounds);
	report("round %u wrote %lu read 0 table 0\n", rounds, (unsigned long)count);
}

static int page_is_right(uint64_t page)
{
	const uint64_t *words = memory + page * PAGE_WORDS;
	uint64_t want = page << 32 | expected_round(page);
	size_t i;

	for (i = 1; i < PAGE_WORDS - 1; i++)
		if (words[i])
			return 0;
	return words[0] == want && words[PAGE_WORDS - 1] == want;
}

static void verify(void)
{
	uint64_t page, bad = 0, first = 0;

	for (page = pages; page-- > 0;)
		if (!page_is_right(page)) {
			bad++;
			first = page;
		}
	if (bad)
		report("verify %u bad %lu first %lu found %#lx\n", rounds, (unsigned long)bad, (unsigned long)first,
		       (unsigned long)memory[first * PAGE_WORDS]);
	else
		report("verify %u ok %lu\n", rounds, (unsigned long)pages);
}

int main(int argc, char **argv)
{
	sigset_t set;
	uint64_t page;
	pid_t pid;
	int fd;

	if (argc != 3)
		return 2;
	report_path = argv[1];
	pages = strtoull(argv[2], NULL, 10) * 256;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = fork();
	if (pid) {
		printf("%d\n", pid);
		return pid < 0;
	}

	setsid();
	fd = open("/dev/null", O_RDWR);
	if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir("/"))
		return 1;
	close_range(3, ~0u, 0);
	memory = mmap(NULL, pages * PAGE_WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	for (page = 0; page < pages; page++)
		write_page(page, 0);
	report("ready %d pages %lu\n", getpid(), (unsigned long)pages);
	for (;;) {
		int sig = sigwaitinfo(&set, NULL);

		if (sig == SIGUSR1)
			run_round();
		else if (sig == SIGUSR2)
			verify();
	}
}
