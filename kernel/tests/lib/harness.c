// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the tests of a program:
 *
 *   PROGRAM [FILTER]     run the tests whose name contains FILTER
 *
 * Prints TAP. Exit status: 0 all passed or skipped, 1 some failed, 77 the
 * kernel cannot deactivate pages.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include "lib.h"

enum {
	TEST_TIMEOUT_S = 120,
	STUCK_TIMEOUT_S = 150,
};

/* Shared by a test with the processes it starts. */
struct report {
	char why[512];
};

static struct report *report;
size_t page_size;

void leave(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(report->why, sizeof(report->why), fmt, ap);
	va_end(ap);
	_exit(status);
}

u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

unsigned int stress_s(unsigned int otherwise)
{
	const char *value = getenv("STRESS_S");

	return value && atoi(value) > 0 ? (unsigned int)atoi(value) : otherwise;
}

/*
 * Runs a test in a child, and returns its wait status, or -1 if it is stuck in
 * the kernel where no signal reaches it.
 */
static int run_isolated(void (*run)(void))
{
	u64 end = now_ms() + (STUCK_TIMEOUT_S + stress_s(0)) * 1000;
	int status = -1;
	pid_t pid;

	report->why[0] = 0;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid) {
		setpgid(0, 0);
		alarm(TEST_TIMEOUT_S + stress_s(0));
		run();
		_exit(0);
	}
	while (!waitpid(pid, &status, WNOHANG) && now_ms() < end)
		usleep(2000);
	/* what the test started and did not get to end */
	kill(-pid, SIGKILL);
	return status;
}

/* Prints the result, returns whether it counts as passed. */
static bool run_test(const struct test *test, size_t number)
{
	int status = run_isolated(test->run);

	if (status == 0)
		printf("ok %zu - %s\n", number, test->name);
	else if (status == -1)
		printf("not ok %zu - %s # unkillable after %d s\n", number,
		       test->name, STUCK_TIMEOUT_S);
	else if (WIFSIGNALED(status))
		printf("not ok %zu - %s # %s (signal %d)\n", number, test->name,
		       WTERMSIG(status) == SIGALRM ? "timeout" : "killed",
		       WTERMSIG(status));
	else if (WEXITSTATUS(status) == EXIT_SKIP)
		printf("ok %zu - %s # SKIP %s\n", number, test->name,
		       report->why);
	else
		printf("not ok %zu - %s # %s\n", number, test->name,
		       report->why);
	fflush(stdout);
	return status == 0 ||
	       (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP);
}

/* Feature bits may mean something else to another kernel, so do it. */
static void probe(void)
{
	struct area a;
	int err;

	area_map(&a, 1, page_size);
	write_pages(&a, all, 1);
	a.uffd = try_uffd(ASYNC);
	if (a.uffd < 0)
		skip("userfaultfd with features %#llx: %s",
		     (unsigned long long)ASYNC, strerror(-a.uffd));
	err = try_register(a.uffd, a.mem, 1, MINOR, NULL);
	if (err)
		skip("UFFDIO_REGISTER with MODE_MINOR on anonymous memory: %s",
		     strerror(-err));
	err = try_deactivate(&a, 0, 1);
	if (err)
		skip("UFFDIO_DEACTIVATE: %s", strerror(-err));
	a.pagemap = open_pagemap(getpid());
	EXPECT(&a, all, DEACT, DEACT, 0);
	check_pages(&a, all, 1);
	EXPECT(&a, all, DEACT, 0, 0);
}

int main(int argc, char **argv)
{
	const char *filter = argc > 1 ? argv[1] : "";
	size_t planned = 0, number = 0, failed = 0;
	int status;

	page_size = sysconf(_SC_PAGESIZE);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		return EXIT_FAIL;
	for (size_t i = 0; tests[i].name; i++)
		planned += strstr(tests[i].name, filter) != NULL;
	if (!planned) {
		fprintf(stderr, "%s: no test has '%s' in its name\n",
			argv[0], filter);
		return EXIT_FAIL;
	}
	status = run_isolated(probe);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
		printf("1..0 # SKIP %s\n", report->why);
		return EXIT_SKIP;
	}
	printf("1..%zu\n", planned);
	for (size_t i = 0; tests[i].name; i++)
		if (strstr(tests[i].name, filter))
			failed += !run_test(&tests[i], ++number);
	return failed ? EXIT_FAIL : 0;
}
