// SPDX-License-Identifier: GPL-2.0-only
/* --self-test: whatever damage is done to an area of any kind, verify() must tell it. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shapes.h"

#define ROUNDS	3

static const char *const damages[] = { "byte", "stale", "lost", "mapping", "unmapped" };

static bool verdict_is(const char *wanted)
{
	struct verdict v;

	verify(&v);
	if (!wanted && !v.bad)
		return true;
	if (wanted && v.bad == 1 && strstr(v.text, wanted))
		return true;
	dprintf(STDOUT_FILENO, "# %lu bad: %s\n", (unsigned long)v.bad, v.text);
	return false;
}

/* In a process of its own: the damage is not mended. */
static int test_damage(struct area *a, const char *how)
{
	char what[64], wanted[64];

	/* Nothing else may be there: what verify() finds is of this area. */
	prog.areas[0] = *a;
	prog.area_count = 1;
	area_place(prog.areas, true);
	for (uint32_t round = 0; round <= ROUNDS; round++) {
		prog.rounds = round;
		do_round(round);
		if (!verdict_is(NULL))
			return 1;
	}
	snprintf(what, sizeof(what), "%s:%s", a->kind->name, how);
	snprintf(wanted, sizeof(wanted), "area %s page ", a->kind->name);
	corrupt(what);
	return !verdict_is(wanted);
}

/* Prints TAP; returns whether all is well. Areas of the stack must have their blocks. */
bool self_test(void)
{
	unsigned int number = 0, failed = 0;

	for (unsigned int i = 0; i < prog.area_count; i++) {
		for (size_t d = 0; d < sizeof(damages) / sizeof(*damages); d++) {
			int status = -1;
			pid_t pid = fork();

			if (!pid)
				_exit(test_damage(&prog.areas[i], damages[d]));
			if (pid > 0)
				waitpid(pid, &status, 0);
			failed += !!status;
			dprintf(STDOUT_FILENO, "%sok %u - %s: damage '%s' is found\n", status ? "not " : "",
				++number, prog.areas[i].kind->name, damages[d]);
		}
	}
	dprintf(STDOUT_FILENO, "1..%u\n", number);
	return !failed;
}
