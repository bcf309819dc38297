// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into criu: before it reads from a process that is running for the first time,
 * the shell command AT_READ is run.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static bool runs(pid_t pid)
{
	char path[64], line[512], *name_end;
	FILE *f;
	bool got;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	got = f && fgets(line, sizeof(line), f);
	if (f)
		fclose(f);
	name_end = got ? strrchr(line, ')') : NULL;
	return name_end && !strchr("tTZX", name_end[2]);
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *to, unsigned long nr_to, const struct iovec *from,
			 unsigned long nr_from, unsigned long flags)
{
	static atomic_flag done = ATOMIC_FLAG_INIT;
	const char *command = getenv("AT_READ");

	if (command && runs(pid) && !atomic_flag_test_and_set(&done)) {
		/* Not what the command runs. */
		unsetenv("LD_PRELOAD");
		if (system(command))
			abort();
	}
	return syscall(SYS_process_vm_readv, pid, to, nr_to, from, nr_from, flags);
}
