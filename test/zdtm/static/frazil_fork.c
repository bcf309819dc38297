// SPDX-License-Identifier: GPL-2.0-only
/*
 * A server that forks for each request: children come and go in all the time that dumps
 * take, and some are alive in each. They change their copies of the server's memory, while
 * the server changes its own. Every other child starts another program, which has memory of
 * its own. A page that counts as clean in a child because it does so in its parent, or is
 * looked up in the images of a program that was left, comes back with the parent's generation
 * or that of an earlier child; and fork() must not wait for ever for who follows it.
 */
#include "frazil.h"

const char *test_doc = "Children of a tracked task have their copies of its pages";
const char *test_author = "Frazil";

#define PAGES	 512
#define CHILDREN 6
#define ROUNDS	 40

static struct area a;
static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	stopped = 1;
}

static int work(unsigned int rounds)
{
	while (!stopped && rounds--) {
		if (area_write(&a, any(PAGES), 1) || area_check(&a, any(PAGES), 1))
			return 1;
		usleep(2000);
	}
	return area_check_all(&a);
}

/* What runs after exec. A signal that came in between is blocked until here. */
static int other_program(void)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGTERM, stop);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return area_map(&a, PAGES, 1 << 20) || area_write(&a, 0, PAGES / 2) || work(ROUNDS);
}

static int child(void *execs)
{
	sigset_t term;

	signal(SIGTERM, stop);
	/* Long enough to be tracked before. */
	if (work(execs ? ROUNDS / 2 : ROUNDS))
		return 1;
	if (!execs || stopped)
		return 0;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	setenv("FRAZIL_FORK_EXEC", "1", 1);
	execl("/proc/self/exe", "frazil_fork", NULL);
	return pr_perror("cannot exec");
}

int main(int argc, char **argv)
{
	pid_t children[CHILDREN] = {};
	unsigned int i, turn;
	int bad;

	if (getenv("FRAZIL_FORK_EXEC"))
		return other_program();

	test_init(argc, argv);

	bad = area_map(&a, PAGES, 0) || area_write(&a, 0, PAGES);
	if (bad)
		return 1;

	for (turn = 0; !bad && test_go(); turn++) {
		pid_t *oldest = &children[turn % CHILDREN];

		if (*oldest && worker_stop(*oldest)) {
			*oldest = 0;
			bad = 1;
			break;
		}
		*oldest = worker_start(child, turn & 1 ? &a : NULL);
		bad = *oldest < 0;
		if (turn == CHILDREN)
			test_daemon();
		for (i = 0; i < 10 && !bad; i++) {
			bad = area_write(&a, any(PAGES), 1);
			usleep(1000);
		}
	}

	for (i = 0; i < CHILDREN; i++)
		if (children[i] > 0)
			bad |= worker_stop(children[i]);
	return test_end(bad || area_check_all(&a));
}
