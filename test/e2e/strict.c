// SPDX-License-Identifier: GPL-2.0-only
/*
 * strict REPORT FIFO - a task that seccomp allows nothing but read, write and exit
 *
 * Prints its pid and goes to the background. For each byte that it reads from FIFO it looks
 * through its memory, and writes a line to REPORT: "ok", or "bad" if that is not what it was.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGES	   2048
#define PAGE_WORDS 512

int main(int argc, char **argv)
{
	int report, fifo, null;
	uint64_t *memory, i;
	pid_t pid;
	char byte;

	if (argc != 3)
		return 2;
	report = open(argv[1], O_WRONLY | O_APPEND);
	/* Open for writing as well, so that it does not end. */
	fifo = open(argv[2], O_RDWR);
	null = open("/dev/null", O_RDWR);
	memory = mmap(NULL, PAGES * PAGE_WORDS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (report < 0 || fifo < 0 || null < 0 || memory == MAP_FAILED)
		return 1;
	pid = fork();
	if (pid) {
		printf("%d\n", pid);
		return pid < 0;
	}
	setsid();
	for (i = 0; i < 3; i++)
		dup2(null, i);
	for (i = 0; i < PAGES; i++)
		memory[i * PAGE_WORDS] = i;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return 1;
	while (read(fifo, &byte, 1) == 1) {
		const char *answer = "ok\n";

		for (i = 0; i < PAGES; i++)
			if (memory[i * PAGE_WORDS] != i)
				answer = "bad\n";
		if (write(report, answer, strlen(answer)) < 0)
			return 1;
	}
	return 0;
}
