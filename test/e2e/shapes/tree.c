// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processes of --children. Which there are in which round is fixed, so that all
 * of them can tell who writes what. Process 0 passes signals on and sums the
 * answers up, which come through a page that all share (the "board").
 *
 * A round begins with the forks that are due in it. What a forked child has of the
 * rounds before is what the one that forked it had; one that is exec'ed does these
 * rounds by itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "shapes.h"

#define NEVER		UINT32_MAX
#define WAIT_NAPS	25000	/* of 2 ms: longer than any round takes */
#define END_STATUS	3	/* of a process that ends by itself */

static const struct member {
	unsigned int parent;
	uint32_t born, ends;	/* rounds; it ends after the round @ends */
	bool executed;
} members[] = {
	{ .ends = NEVER },
	{ .parent = 0, .born = 0, .ends = NEVER },
	{ .parent = 0, .born = 0, .ends = NEVER, .executed = true },
	{ .parent = 0, .born = 0, .ends = 2 },
	{ .parent = 0, .born = 1, .ends = NEVER },
	{ .parent = 1, .born = 2, .ends = NEVER },
	{ .parent = 0, .born = 2, .ends = NEVER, .executed = true },
};

#define MEMBERS	(sizeof(members) / sizeof(*members))

/* @asked and @answered count; all else is the answer. */
struct slot {
	pid_t pid;
	atomic_uint asked, answered;
	uint32_t rounds;
	struct counts counts;
	struct verdict verdict;
};

static struct slot *board;
static int board_fd = -1;

/* Whose plan process @process followed in @round. */
unsigned int tree_identity(unsigned int process, uint32_t round)
{
	/* Round 0 is over before anything is forked. */
	while (process && !members[process].executed && (round < members[process].born || !round))
		process = members[process].parent;
	return process;
}

static bool lives(unsigned int process, uint32_t round)
{
	return !process || (prog.children && members[process].born <= round && round <= members[process].ends);
}

/* One of the processes that live in @round; with @with_exec, also of those exec'ed. */
unsigned int tree_pick(uint32_t round, uint64_t dice, bool with_exec)
{
	unsigned int list[MEMBERS] = { 0 }, count = 0;

	/* All else is not there yet when round 0 is done. */
	for (unsigned int i = 0; i < (round ? MEMBERS : 1); i++)
		if (lives(i, round) && (with_exec || !members[i].executed))
			list[count++] = i;
	return list[dice % count];
}

/* Whether this process is not in any image made before @round. */
bool tree_is_new(uint32_t round)
{
	return prog.me && round && members[prog.me].born == round;
}

bool tree_was_forked(void)
{
	return prog.me && !members[prog.me].executed;
}

bool tree_was_executed(void)
{
	return members[prog.me].executed;
}

/* The round in which this process began. */
uint32_t tree_born(void)
{
	return members[prog.me].born;
}

static void nap(void)
{
	nanosleep(&(struct timespec) { .tv_nsec = 2000000 }, NULL);
}

static bool wait_for_answer(struct slot *s)
{
	for (int i = 0; i < WAIT_NAPS; i++) {
		if (s->answered == s->asked)
			return true;
		nap();
	}
	return false;
}

/* Maps the board: a new one, or that of the descriptor @fd, in a process exec'ed. */
void tree_start(int fd)
{
	if (!prog.children)
		return;
	board_fd = fd < 0 ? memfd_create("board", 0) : fd;
	if (board_fd < 0 || (fd < 0 && ftruncate(board_fd, MEMBERS * sizeof(*board))))
		die("memfd for the board: %s", strerror(errno));
	board = mmap(NULL, MEMBERS * sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, board_fd, 0);
	if (board == MAP_FAILED)
		die("mmap of the board: %s", strerror(errno));
	if (fd >= 0)
		board[prog.me].answered = board[prog.me].asked;
}

/* Never returns: runs this program again as process @process. */
static void execute(unsigned int process)
{
	char *argv[64], role[16], fd[16];
	int count = 0;

	while (count < 58 && prog.argv[count]) {
		argv[count] = prog.argv[count];
		count++;
	}
	snprintf(role, sizeof(role), "%u", process);
	snprintf(fd, sizeof(fd), "%d", board_fd);
	argv[count++] = "--role";
	argv[count++] = role;
	argv[count++] = "--board";
	argv[count++] = fd;
	argv[count] = NULL;
	execv("/proc/self/exe", argv);
	die("exec: %s", strerror(errno));
}

/* The children that end by themselves are zombies until the round after. */
static void reap(uint32_t round)
{
	for (unsigned int i = 1; i < MEMBERS; i++) {
		int status;

		if (members[i].parent != prog.me || members[i].ends != round - 1)
			continue;
		if (waitpid(board[i].pid, &status, 0) != board[i].pid || status != END_STATUS << 8)
			die("process %u: status 0x%x", i, status);
	}
}

/*
 * Forks the children of this process that are due in @round, and waits until they
 * are ready. True in a child, which has nothing more to do then.
 */
bool tree_fork(uint32_t round)
{
	if (!prog.children)
		return false;
	if (round)
		reap(round);
	for (unsigned int i = 1; i < MEMBERS; i++) {
		pid_t pid;

		if (members[i].parent != prog.me || members[i].born != round)
			continue;
		board[i].asked = 1;
		pid = fork();
		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (!pid) {
			if (members[i].executed)
				execute(i);
			prog.me = i;
			if (prog.ready >= 0)
				close(prog.ready);
			prog.ready = -1;
			board[i].answered = 1;
			return true;
		}
		board[i].pid = pid;
		if (!wait_for_answer(&board[i]))
			die("process %u does not start", i);
	}
	return false;
}

/* Answers process 0; @c or @v may be NULL. */
void tree_answer(const struct counts *c, const struct verdict *v)
{
	struct slot *s = &board[prog.me];

	s->rounds = prog.rounds;
	if (c)
		s->counts = *c;
	if (v)
		s->verdict = *v;
	s->answered = s->asked;
}

/* Ends this process if that is due after @round. */
void tree_leave(uint32_t round)
{
	if (prog.me && members[prog.me].ends == round)
		_exit(END_STATUS);
}

static void check_zombie(unsigned int process, bool wait, struct verdict *v)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, board[process].pid, &info, WEXITED | WNOWAIT | (wait ? 0 : WNOHANG)) ||
	    info.si_code != CLD_EXITED || info.si_status != END_STATUS)
		bad(v, NULL, 0, "sees no zombie %d with status %d", board[process].pid, END_STATUS);
}

static void ask(unsigned int process, int sig, uint32_t round, struct counts *c, struct verdict *v)
{
	struct slot *s = &board[process];

	s->asked++;
	if (kill(s->pid, sig) || !wait_for_answer(s)) {
		bad(v, NULL, 0, "gets no answer from process %u, pid %d", process, s->pid);
		return;
	}
	if (s->rounds != round)
		bad(v, NULL, 0, "sees process %u in round %u", process, s->rounds);
	c->wrote += s->counts.wrote;
	c->other += s->counts.other;
	v->pages += s->verdict.pages;
	if (s->verdict.bad && !v->bad)
		memcpy(v->text, s->verdict.text, sizeof(v->text));
	v->bad += s->verdict.bad;
}

/*
 * Passes SIGUSR1 or SIGUSR2 on to the other processes, one after the other, and adds
 * their answers. Returns how many processes there are.
 */
unsigned int tree_ask(int sig, uint32_t round, struct counts *c, struct verdict *v)
{
	unsigned int count = 1;

	for (unsigned int i = 1; prog.children && i < MEMBERS; i++) {
		bool ends = members[i].ends == round;

		if (!lives(i, round))
			continue;
		count++;
		if (!ends || sig == SIGUSR1)
			ask(i, sig, round, c, v);
		if (ends)
			check_zombie(i, sig == SIGUSR1, v);
	}
	return count;
}

/* Ends all other processes. */
void tree_end(void)
{
	for (unsigned int i = 1; prog.children && !prog.me && i < MEMBERS; i++)
		if (board[i].pid)
			kill(board[i].pid, SIGKILL);
}
