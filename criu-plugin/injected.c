// SPDX-License-Identifier: GPL-2.0-only
/*
 * A system call that a stopped task is made to make, and may take so long that its tracer
 * is killed meanwhile. What the task executes is
 *
 *	0:	syscall
 *	2:	jmp 2
 *
 * The tracer stops it after the first. Should the tracer be no more, it goes on with the second until
 * somebody puts it back; at a breakpoint, which is how compel ends system calls, it would be
 * killed. Signals are blocked meanwhile, so that no handler is run from there.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "injected.h"

#define CODE	   0xccccccccfeeb050full
#define AFTER_CALL 2

/* A system call that uses no time of a CPU for so many seconds does not end. */
#define STUCK_S	     10
#define WAIT_STEP_NS 200000

#define SIGMASK_BYTES 8
#define CS_64BIT      0x33

static int get(struct injected *in, struct user_regs_struct *regs)
{
	return ptrace(PTRACE_GETREGS, in->pid, NULL, regs) ? -errno : 0;
}

/* Notes the state of a task which is stopped under ptrace. Returns 0 or -errno; nothing is changed. */
int injected_prepare(struct injected *in, int pid, uint64_t syscall_ip)
{
	int ret;

	*in = (struct injected){ .pid = pid, .ip = syscall_ip };
	ret = get(in, &in->regs);
	if (ret)
		return ret;
	if (in->regs.cs != CS_64BIT)
		return -EOPNOTSUPP;
	if (ptrace(PTRACE_GETSIGMASK, pid, SIGMASK_BYTES, &in->sigmask))
		return -errno;
	errno = 0;
	in->code = ptrace(PTRACE_PEEKTEXT, pid, syscall_ip, NULL);
	return -errno;
}

/*
 * Puts it back as it was when injected_prepare() was called. The code tells that there is something
 * to be put back: so it is the first that is changed, and the last here.
 */
static int put_back(struct injected *in)
{
	int ret = 0;

	if (ptrace(PTRACE_SETREGS, in->pid, NULL, &in->regs))
		ret = -errno;
	if (ptrace(PTRACE_SETSIGMASK, in->pid, SIGMASK_BYTES, &in->sigmask))
		ret = -errno;
	if (ptrace(PTRACE_POKETEXT, in->pid, in->ip, in->code))
		ret = -errno;
	return ret;
}

/* CPU time of a thread, in ticks; or -1. */
static long long cpu_time(int pid)
{
	unsigned long long user, system;
	char path[64], line[1024], *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	if (!end || sscanf(end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
		return -1;
	return user + system;
}

/* Waits until it stops. Returns what waitpid() says of that, or -errno. */
static int wait_stop(int pid, int options)
{
	int status, ret;

	do
		ret = waitpid(pid, &status, __WALL | options);
	while (ret < 0 && errno == EINTR);
	if (ret <= 0)
		return ret < 0 ? -errno : 0;
	return WIFSTOPPED(status) ? status : -ESRCH;
}

/* The same for what takes a while; -ETIMEDOUT when it never ends. */
static int wait_stop_long(int pid)
{
	const struct timespec step = { .tv_nsec = WAIT_STEP_NS };
	long long before = cpu_time(pid), now;
	unsigned int steps = 0;
	int ret;

	while (!(ret = wait_stop(pid, WNOHANG))) {
		nanosleep(&step, NULL);
		if (++steps % (STUCK_S * (1000000000 / WAIT_STEP_NS)))
			continue;
		now = cpu_time(pid);
		if (now == before)
			return -ETIMEDOUT;
		before = now;
	}
	return ret;
}

/* Has it run to the next stop of a system call. */
static int run_to_syscall(struct injected *in)
{
	return ptrace(PTRACE_SYSCALL, in->pid, NULL, NULL) ? -errno : 0;
}

/* With PTRACE_O_TRACESYSGOOD, which criu sets, and without. */
static int check_syscall(int status)
{
	if (status < 0)
		return status;
	return status >> 8 == SIGTRAP || status >> 8 == (SIGTRAP | 0x80) ? 0 : -EAGAIN;
}

/*
 * Begins with a system call. Returns 0, and then injected_finish() is to be called before the task
 * is used for anything else; or -errno, and it is as before.
 */
int injected_start(struct injected *in, int nr, unsigned long a, unsigned long b, unsigned long c)
{
	struct user_regs_struct regs = in->regs;
	uint64_t all = ~0ull;
	int ret;

	regs.rip = in->ip;
	regs.rax = nr;
	regs.orig_rax = -1;
	regs.rdi = a;
	regs.rsi = b;
	regs.rdx = c;
	regs.r10 = regs.r8 = regs.r9 = 0;
	if (ptrace(PTRACE_POKETEXT, in->pid, in->ip, CODE) || ptrace(PTRACE_SETSIGMASK, in->pid, SIGMASK_BYTES, &all) ||
	    ptrace(PTRACE_SETREGS, in->pid, NULL, &regs)) {
		ret = -errno;
		put_back(in);
		return ret;
	}
	/* To its beginning, and on. */
	ret = run_to_syscall(in);
	if (!ret)
		ret = check_syscall(wait_stop(in->pid, 0));
	if (!ret)
		ret = run_to_syscall(in);
	if (ret)
		put_back(in);
	return ret;
}

/*
 * Waits for the end of a system call. Returns 0 with its result in *@result, the task is as it was;
 * or -errno, and it is as it was unless that is -ETIMEDOUT, -ESRCH or -EIO.
 */
int injected_finish(struct injected *in, long *result)
{
	int ret = check_syscall(wait_stop_long(in->pid));

	if (ret)
		return ret;
	/*
	 * Of a task that was in a system call itself the kernel looks whether that is to be restarted
	 * only on the way from a signal, or from a stop by a tracer.
	 */
	if (ptrace(PTRACE_INTERRUPT, in->pid, NULL, NULL) || ptrace(PTRACE_CONT, in->pid, NULL, NULL))
		return -EIO;
	ret = wait_stop(in->pid, 0);
	if (ret < 0)
		return ret;
	return injected_undo(in, result) ? -EIO : 0;
}

/*
 * Puts a task back that is stopped, whether or not by who began with the system call, and whether or
 * not it was begun with. *@result is what it returned, or -EINTR when it was not made.
 * Returns 0 or -errno.
 */
int injected_undo(struct injected *in, long *result)
{
	struct user_regs_struct now;
	uint64_t code;
	int ret;

	*result = -EINTR;
	errno = 0;
	code = ptrace(PTRACE_PEEKTEXT, in->pid, in->ip, NULL);
	if (errno)
		return -errno;
	if (code != CODE)
		return 0;
	ret = get(in, &now);
	if (ret)
		return ret;
	if (now.rip == in->ip + AFTER_CALL)
		*result = now.rax;
	else if (now.rip != in->ip)
		in->regs = now;
	return put_back(in);
}
