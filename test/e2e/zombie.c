// SPDX-License-Identifier: GPL-2.0-only
/*
 * zombie REPORT: a second thread has a child, which ends with END_STATUS, and nobody waits for it. Its pid
 * is written to REPORT.
 */
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_STATUS 7

static void *fork_child(void *report)
{
	siginfo_t info;
	pid_t child = fork();
	FILE *f;

	if (child < 0)
		err(1, "fork");
	if (!child)
		_exit(END_STATUS);
	if (waitid(P_PID, child, &info, WEXITED | WNOWAIT))
		err(1, "waitid");
	f = fopen(report, "w");
	if (!f || fprintf(f, "%d %d\n", child, END_STATUS) < 0 || fclose(f))
		err(1, "%s", (char *)report);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 2)
		errx(2, "usage: zombie REPORT");
	if (pthread_create(&thread, NULL, fork_child, argv[1]))
		errx(1, "cannot create a thread");
	for (;;)
		pause();
}
