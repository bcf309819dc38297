// SPDX-License-Identifier: GPL-2.0-only
/*
 * Children that a task was made to clone, and does not know of, are killed when they have
 * served, and are zombies until the task waits for them. It is made to: stopped for a
 * moment, with an injected wait4().
 *
 * In case that criu is killed before it does so, a process of its own watches over it, and
 * does it then. It learns of criu's end from a pipe of which criu has the other end.
 *
 * Such a child is known by its exit signal, of which it has none, by its pid in its namespace,
 * which clone() returns, and by what it died of. A task may have others without exit signal.
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
#include "proc.h"
#include "reaper.h"
#include "stop.h"

/* How long a child may take to die of PTRACE_O_EXITKILL. */
#define DEATH_TIMEOUT_MS 5000
#define DEATH_STEP_MS	 1

/* Of the process that watches. */
#define WATCHER_STACK_BYTES (64 << 10)

/* Children of one task that one call waits for. */
#define MAX_CHILDREN 16

struct watched {
	int pid;
	int ns_pid; /* the child's; or UNKNOWN, NONE */
	uint64_t syscall_ip;
};

/* As it is about to be made, and criu may not live to tell; and when it was not made. */
#define UNKNOWN 0
#define NONE	(-1)

static int watcher = -1;    /* its pid */
static int to_watcher = -1; /* the pipe */

/* Field @number, of those behind the name, of a line of /proc/PID/stat; or -1. */
static long stat_field(const char *end_of_name, int number)
{
	const char *p = end_of_name;
	long value;
	int i;

	for (i = 2; p && i < number; i++)
		p = strchr(p + 1, ' ');
	return p && sscanf(p, " %ld", &value) == 1 ? value : -1;
}

enum child { OTHER, ALIVE, KILLED };

/* What proc(5) calls state, exit_signal and exit_code. */
static enum child look_at(int pid)
{
	char path[32], line[1024], *end, state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return OTHER;
	/* The name, in parentheses, may contain anything. */
	end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	if (!end || sscanf(end, ") %c", &state) != 1 || stat_field(end, 38) != 0)
		return OTHER;
	if (state != 'Z')
		return ALIVE;
	return stat_field(end, 52) == SIGKILL ? KILLED : OTHER;
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

struct wanted {
	int ns_pid;
	int pid;
};

static bool is_wanted(int child, enum child state, void *arg)
{
	struct wanted *w = arg;

	if (state != ALIVE || proc_status(child, "NSpid:") != w->ns_pid)
		return false;
	w->pid = child;
	return true;
}

/* The child without exit signal of @pid that is @ns_pid in its namespace, as this process sees it; or -ESRCH. */
int reaper_find(int pid, int ns_pid)
{
	struct wanted w = { .ns_pid = ns_pid, .pid = -ESRCH };

	for_each_child(pid, is_wanted, &w);
	return w.pid;
}

struct dead {
	int wanted; /* its pid in its namespace; UNKNOWN for all */
	int ns_pids[MAX_CHILDREN];
	int nr;
	bool alive; /* there is one that is not dead */
};

static bool count_dead(int child, enum child state, void *arg)
{
	struct dead *d = arg;
	int ns_pid = state == OTHER ? NONE : proc_status(child, "NSpid:");

	if (ns_pid < 0 || (d->wanted != UNKNOWN && d->wanted != ns_pid))
		return false;
	d->alive |= state == ALIVE;
	if (state == KILLED)
		d->ns_pids[d->nr++] = ns_pid;
	return d->nr == MAX_CHILDREN;
}

static struct dead find_dead(int pid, int ns_pid)
{
	struct dead d = { .wanted = ns_pid };

	if (ns_pid != NONE)
		for_each_child(pid, count_dead, &d);
	return d;
}

/* Has a stopped task wait for children. */
static void wait_injected(int pid, uint64_t syscall_ip, const struct dead *d)
{
	long result = 0;
	int i;

	for (i = 0; i < d->nr; i++)
		if (inject_syscall(pid, syscall_ip, SYS_wait4, &result, d->ns_pids[i], 0, __WALL | WNOHANG) ||
		    result != d->ns_pids[i])
			log_warn("%d: its child %d remains as a zombie until the task ends\n", pid, d->ns_pids[i]);
}

/*
 * Has @pid wait for its dead child @ns_pid, that it does not know of, if this process has stopped
 * it. If it runs, it is left to the process that watches: a thread that does not stop in
 * time stops later, and is let go when its tracer ends.
 */
void reaper_reap(int pid, int ns_pid, uint64_t syscall_ip)
{
	struct dead d = find_dead(pid, ns_pid);

	if (d.nr && proc_status(pid, "TracerPid:") == getpid())
		wait_injected(pid, syscall_ip, &d);
}

static void reap_when_dead(const struct watched *w)
{
	struct timespec step = { .tv_nsec = DEATH_STEP_MS * 1000000l };
	struct dead d = find_dead(w->pid, w->ns_pid);
	struct stopped s;
	int ms, ret;

	for (ms = 0; d.alive && ms < DEATH_TIMEOUT_MS; ms += DEATH_STEP_MS) {
		nanosleep(&step, NULL);
		d = find_dead(w->pid, w->ns_pid);
	}
	if (!d.nr)
		return;
	/* There may be memory for it again in a moment. */
	for (ms = 0; (ret = stop_process(w->pid, &s)) == -ENOMEM && ms < DEATH_TIMEOUT_MS; ms += DEATH_STEP_MS)
		nanosleep(&step, NULL);
	if (ret)
		return;
	wait_injected(w->pid, w->syscall_ip, &d);
	resume_process(&s);
}

/*
 * The process that watches: until the pipe is closed at the other end, by an end in peace or
 * not. What it has to do stays in the pipe until then.
 */
static int watch(void *arg)
{
	struct watched last = { .ns_pid = NONE }, next;
	struct pollfd closed = { .fd = 0 };
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
	while (read(closed.fd, &next, sizeof(next)) == sizeof(next)) {
		if (last.ns_pid != UNKNOWN || next.pid != last.pid)
			reap_when_dead(&last);
		last = next;
	}
	reap_when_dead(&last);
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
	watcher = clone(watch, stack + sizeof(stack), 0, fds);
	close(fds[0]);
	if (watcher < 0)
		close(fds[1]);
	else
		to_watcher = fds[1];
}

static int tell_watcher(int pid, int ns_pid, uint64_t syscall_ip)
{
	struct watched w = { .pid = pid, .ns_pid = ns_pid, .syscall_ip = syscall_ip };

	if (watcher < 0)
		return -EAGAIN;
	return write(to_watcher, &w, sizeof(w)) == sizeof(w) ? 0 : -errno;
}

/*
 * Begins to watch over a task that is about to get such a child. Returns 0; -EAGAIN when
 * there is no process that watches, or there are as many as fit into a pipe, some 2000;
 * another -errno.
 */
int reaper_watch(int pid, uint64_t syscall_ip)
{
	return tell_watcher(pid, UNKNOWN, syscall_ip);
}

/* Which child it was, by its pid in its namespace; negative when there is none. Returns as reaper_watch() does. */
int reaper_watch_child(int pid, int ns_pid, uint64_t syscall_ip)
{
	return tell_watcher(pid, ns_pid < 0 ? NONE : ns_pid, syscall_ip);
}

/*
 * Ends watching; children that are still there are waited for. Not for ever: a task in a cgroup
 * that somebody freezes meanwhile does nothing until that is over, and the process waits for it.
 */
void reaper_end(void)
{
	struct timespec step = { .tv_nsec = DEATH_STEP_MS * 1000000l };
	int ms;

	if (watcher < 0)
		return;
	close(to_watcher);
	for (ms = 0; ms < 2 * DEATH_TIMEOUT_MS && !waitpid(watcher, NULL, __WALL | WNOHANG); ms += DEATH_STEP_MS)
		nanosleep(&step, NULL);
	watcher = to_watcher = -1;
}
