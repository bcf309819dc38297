// SPDX-License-Identifier: GPL-2.0-only
/*
 * Children that a task was made to clone, and does not know of, are killed when they have
 * served, and are zombies until the task waits for them. It is made to: stopped for a
 * moment, with an injected wait4().
 *
 * In case that criu is killed before it does so, a process of its own watches over it, and
 * does it then. It learns of criu's end from a pipe of which criu has the other end.
 *
 * Such a child is known by its exit signal, of which it has none, and by its pid in its namespace,
 * which clone() returns. A task may have others without exit signal.
 *
 * The same process puts a task back that criu made to call clone(), and did not live to see the end
 * of that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "inject.h"
#include "injected.h"
#include "proc.h"
#include "reaper.h"
#include "stop.h"

/* How long a child may take to die of PTRACE_O_EXITKILL. */
#define DEATH_TIMEOUT_MS 5000
#define DEATH_STEP_MS	 1

/* Of the process that watches. */
#define WATCHER_STACK_BYTES (64 << 10)

/* What may be in the pipe: as much as the kernel gives by default, see pipe(7). */
#define PIPE_BYTES (1 << 20)

struct watched {
	int ns_pid;	    /* the child's; or UNKNOWN, NONE */
	struct injected in; /* what the task was made to do for it, and may still be doing if it is UNKNOWN */
};

/* As it is about to be made, and criu may not live to tell; and when it was not made. */
#define UNKNOWN 0
#define NONE	(-1)

static int watcher = -1;    /* its pid */
static int to_watcher = -1; /* the pipe */
static int nr_unknown;	    /* tasks of which the last that was told is UNKNOWN */

enum child { OTHER, ALIVE, DEAD };

/* Its state and exit_signal, which is field 38. */
static enum child look_at(int pid)
{
	struct proc_stat stat;

	if (proc_stat_read(pid, &stat) || proc_stat_number(&stat, 38) != 0)
		return OTHER;
	return proc_stat_state(&stat) == 'Z' ? DEAD : ALIVE;
}

/* Calls @fn for the children of @pid, until it returns true. */
static void for_each_child(int pid, bool (*fn)(int child, enum child state, void *arg), void *arg)
{
	char path[64];
	int child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fscanf(f, "%d", &child) == 1 && !fn(child, look_at(child), arg))
		;
	fclose(f);
}

/* What has become of a child. */
struct fate {
	int ns_pid;
	int pid;
	enum child state;
};

static bool is_fate_of(int child, enum child state, void *arg)
{
	struct fate *fate = arg;

	if (state == OTHER || proc_status(child, "NSpid:") != fate->ns_pid)
		return false;
	fate->pid = child;
	fate->state = state;
	return true;
}

static struct fate find_fate(int pid, int ns_pid)
{
	struct fate fate = { .ns_pid = ns_pid, .state = OTHER };

	for_each_child(pid, is_fate_of, &fate);
	return fate;
}

/* The child without exit signal of @pid that is @ns_pid in its namespace, as this process sees it; or -ESRCH. */
int reaper_find(int pid, int ns_pid)
{
	struct fate fate = find_fate(pid, ns_pid);

	return fate.state == ALIVE ? fate.pid : -ESRCH;
}

/* Has a stopped task wait for a dead child. Returns whether that is no more. */
static bool wait_injected(const struct injected *in, int ns_pid)
{
	long result = 0;

	if (!inject_syscall(in->pid, in->ip, SYS_wait4, &result, ns_pid, 0, __WALL | WNOHANG) && result == ns_pid)
		return true;
	log_warn("%d: its child %d remains as a zombie until the task ends\n", in->pid, ns_pid);
	return false;
}

static void wait_step(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = DEATH_STEP_MS * 1000000l }, NULL);
}

/* Sees to it that a child is dead. Returns whether it is, and its parent can wait for it. */
static bool kill_child(int pid, int ns_pid)
{
	struct fate fate = find_fate(pid, ns_pid);
	int ms;

	if (fate.state == ALIVE)
		kill(fate.pid, SIGKILL);
	for (ms = 0; fate.state == ALIVE && ms < DEATH_TIMEOUT_MS; ms += DEATH_STEP_MS) {
		wait_step();
		fate = find_fate(pid, ns_pid);
	}
	/* Made when its parent had this process for a tracer already, it has it, too. */
	if (fate.state == DEAD)
		waitpid(fate.pid, NULL, __WALL | WNOHANG);
	return fate.state == DEAD;
}

/*
 * Calls @stop until it can be done. Not everything that is in the way stays there: criu, which dies, closes
 * the pipe before it lets go of tasks; and there may be memory again. Returns as @stop does.
 */
static int stop_patiently(int (*stop)(int pid, struct stopped *s), bool forever, int pid, struct stopped *s)
{
	int ms, ret;

	for (ms = 0; forever || ms < DEATH_TIMEOUT_MS; ms += DEATH_STEP_MS) {
		ret = stop(pid, s);
		if (!ret || (forever ? has_ended(pid) : ret != -EPERM && ret != -ENOMEM))
			break;
		wait_step();
	}
	return ret;
}

/* The task has a child. */
static void reap(const struct watched *w)
{
	struct stopped s;

	if (!kill_child(w->in.pid, w->ns_pid) || stop_patiently(stop_process, false, w->in.pid, &s))
		return;
	wait_injected(&w->in, w->ns_pid);
	resume_process(&s);
}

/* The task was about to make a child, or is about it, or waits to be put back. */
static void put_back(struct watched *w)
{
	struct stopped s;
	long child;
	int ret;

	if (stop_patiently(stop_main, true, w->in.pid, &s))
		return;
	ret = injected_undo(&w->in, &child);
	resume_process(&s);
	if (ret || child <= 0)
		return;
	w->ns_pid = child;
	reap(w);
}

static bool is_last_of(const struct watched *w, size_t i, size_t nr)
{
	size_t k;

	for (k = i + 1; k < nr; k++)
		if (w[k].in.pid == w[i].in.pid)
			return false;
	return true;
}

/*
 * The process that watches: until the pipe is closed at the other end, by an end in peace or
 * not. What it has to do stays in the pipe until then.
 */
static int watch(void *arg)
{
	/* All that fits into the pipe. Nothing may be missing then: so not from malloc(). */
	static struct watched w[PIPE_BYTES / sizeof(struct watched)];
	struct pollfd closed = { .fd = 0 };
	size_t nr = 0, i;
	int *fds = arg;

	/* What is open in criu, userfaultfds of others among it, must not be kept open by this. */
	dup2(fds[0], closed.fd);
	syscall(SYS_close_range, 1, ~0u, 0);
	/* Not to end with whoever is at the terminal. */
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	while (poll(&closed, 1, -1) != 1)
		;
	while (nr < sizeof(w) / sizeof(*w) && read(closed.fd, &w[nr], sizeof(*w)) == sizeof(*w))
		nr++;
	for (i = 0; i < nr; i++) {
		if (!is_last_of(w, i, nr))
			continue;
		if (w[i].ns_pid == UNKNOWN)
			put_back(&w[i]);
		else if (w[i].ns_pid != NONE)
			reap(&w[i]);
	}
	_exit(0);
}

/*
 * Starts the process that watches, which takes a while: so before tasks are stopped; and
 * while there are no other threads, as clone() is not fork(). It has no exit signal: SIGCHLD is
 * about tasks for criu, and who waits for any child would get this one.
 */
void reaper_start(void)
{
	static char stack[WATCHER_STACK_BYTES] __attribute__((aligned(16)));
	int fds[2];

	if (watcher >= 0 || pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return;
	fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	watcher = clone(watch, stack + sizeof(stack), 0, fds);
	close(fds[0]);
	if (watcher < 0)
		close(fds[1]);
	else
		to_watcher = fds[1];
}

static int tell_watcher(const struct injected *in, int ns_pid)
{
	struct watched w = { .ns_pid = ns_pid, .in = *in };

	if (watcher < 0)
		return -EAGAIN;
	return write(to_watcher, &w, sizeof(w)) == sizeof(w) ? 0 : -errno;
}

/*
 * Begins to watch over a task that is about to be made to get such a child. Returns 0; -EAGAIN when
 * there is no process that watches, or there are as many as fit into a pipe, some 2000;
 * another -errno.
 */
int reaper_watch(const struct injected *in)
{
	int ret = tell_watcher(in, UNKNOWN);

	if (!ret)
		nr_unknown++;
	return ret;
}

/*
 * The task was put back; which child it got, by its pid in its namespace; negative when there is
 * none. Returns as reaper_watch() does.
 */
int reaper_watch_child(const struct injected *in, int ns_pid)
{
	int ret = tell_watcher(in, ns_pid < 0 ? NONE : ns_pid);

	if (!ret)
		nr_unknown--;
	return ret;
}

/*
 * Has a task wait for its dead child @ns_pid, that it does not know of, if this process has stopped
 * it. If it runs, it is left to the process that watches: a thread that does not stop in
 * time stops later, and is let go when its tracer ends.
 */
void reaper_reap(const struct injected *in, int ns_pid)
{
	/* Another child may get that pid. */
	if (find_fate(in->pid, ns_pid).state == DEAD && proc_status(in->pid, "TracerPid:") == getpid() &&
	    wait_injected(in, ns_pid))
		tell_watcher(in, NONE);
}

/*
 * Ends watching; children that are still there are waited for. Not for ever: a task in a cgroup
 * that somebody freezes meanwhile does nothing until that is over, and the process waits for it.
 * Nor at all for a task that can only be put back when criu has let go of it.
 */
void reaper_end(void)
{
	int ms;

	if (watcher < 0)
		return;
	close(to_watcher);
	for (ms = 0; !nr_unknown && ms < 2 * DEATH_TIMEOUT_MS; ms += DEATH_STEP_MS) {
		if (waitpid(watcher, NULL, __WALL | WNOHANG))
			break;
		wait_step();
	}
	watcher = to_watcher = -1;
	nr_unknown = 0;
}
