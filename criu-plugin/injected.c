// SPDX-License-Identifier: GPL-2.0-only
/*
 * A system call that a stopped task is made to make, and may take so long that its tracer
 * is killed meanwhile. What the task executes is
 *
 *	 0:	syscall
 *	 2:	test	eax, eax
 *	 4:	jz	8
 *	 6:	jmp	6
 *	 8:	mov	al, 231		exit_group, with what the first argument was
 *	10:	syscall
 *
 * The tracer stops it after the first. Should the tracer be no more, it goes on until 6, and stays there
 * until somebody puts it back; at a breakpoint, which is how compel ends system calls, it would
 * be killed. A child that it makes so, and which nobody stops, ends. Signals are blocked meanwhile,
 * so that no handler is run from there.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "injected.h"
#include "proc.h"

static const uint64_t code[] = { 0xfeeb0274c085050full, 0xcccccccc050fe7b0ull };

/* Where it is after the call, if it is not in there any more. */
#define AFTER_CALL_MIN 2
#define AFTER_CALL_MAX 6

/* A system call that has not ended after so many seconds, and uses no time of a CPU any more, does not end. */
#define STUCK_S	     10
#define WAIT_STEP_NS 50000

#define SIGMASK_BYTES 8
#define UNBLOCKABLE   (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))
#define CS_64BIT      0x33

/* Of those that user space knows; see the kernel's include/linux/errno.h. */
#define MAX_ERRNO 511

static int get(const struct injected *in, struct user_regs_struct *regs)
{
	return ptrace(PTRACE_GETREGS, in->pid, NULL, regs) ? -errno : 0;
}

static int read_code(const struct injected *in, uint64_t *words)
{
	int i;

	for (i = 0; i < 2; i++) {
		errno = 0;
		words[i] = ptrace(PTRACE_PEEKTEXT, in->pid, in->ip + i * sizeof(*words), NULL);
		if (errno)
			return -errno;
	}
	return 0;
}

static int write_code(const struct injected *in, const uint64_t *words)
{
	int i, ret = 0;

	for (i = 0; i < 2; i++)
		if (ptrace(PTRACE_POKETEXT, in->pid, in->ip + i * sizeof(*words), words[i]))
			ret = -errno;
	return ret;
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
	return read_code(in, in->code);
}

/*
 * Puts it back as it was when injected_prepare() was called. The code tells that there is something
 * to be put back: so it is the first that is changed, and the last here.
 */
static int put_back(const struct injected *in)
{
	uint64_t mask;
	int ret = 0;

	if (ptrace(PTRACE_SETREGS, in->pid, NULL, &in->regs))
		ret = -errno;
	/* Of somebody who did not come to block signals it may be another one by now. */
	if (ptrace(PTRACE_GETSIGMASK, in->pid, SIGMASK_BYTES, &mask) || !~(mask | UNBLOCKABLE))
		if (ptrace(PTRACE_SETSIGMASK, in->pid, SIGMASK_BYTES, &in->sigmask))
			ret = -errno;
	return write_code(in, in->code) ?: ret;
}

/* The CPU time that it has used, in ticks, utime and stime; -1 if it is gone. */
static long long cpu_time(int pid)
{
	struct proc_stat stat;

	if (proc_stat_read(pid, &stat))
		return -1;
	return proc_stat_number(&stat, 14) + proc_stat_number(&stat, 15);
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Waits until it stops. Returns what waitpid() says of that, or -errno: -ETIMEDOUT when it never does. */
static int wait_stop(int pid)
{
	const struct timespec step = { .tv_nsec = WAIT_STEP_NS };
	time_t looked = seconds();
	long long before = -1, now;
	int status, ret;

	while (!(ret = waitpid(pid, &status, __WALL | WNOHANG)) || (ret < 0 && errno == EINTR)) {
		nanosleep(&step, NULL);
		if (seconds() - looked < STUCK_S / 2)
			continue;
		looked = seconds();
		now = cpu_time(pid);
		if (now == before)
			return -ETIMEDOUT;
		before = now;
	}
	if (ret < 0)
		return -errno;
	return WIFSTOPPED(status) ? status : -ESRCH;
}

/* With PTRACE_O_TRACESYSGOOD, which criu sets, and without. */
static bool is_syscall_stop(int status)
{
	return status >> 8 == SIGTRAP || status >> 8 == (SIGTRAP | 0x80);
}

/* Has it run to the beginning of the system call. */
static int run_to_syscall(struct injected *in)
{
	int status;

	do {
		if (ptrace(PTRACE_SYSCALL, in->pid, NULL, NULL))
			return -errno;
		status = wait_stop(in->pid);
		if (status < 0)
			return status;
		/* It cannot be blocked. */
		if (status >> 8 == SIGSTOP)
			in->told_to_stop = true;
		/* Other stops are about SIGSTOP and SIGCONT that somebody sent before. */
	} while (!is_syscall_stop(status) && (status >> 8 == SIGSTOP || status >> 16 == PTRACE_EVENT_STOP));
	return is_syscall_stop(status) ? 0 : -EAGAIN;
}

/* Gives it the signal that is still to be delivered. */
static void repeat_signal(const struct injected *in)
{
	if (in->told_to_stop)
		kill(in->pid, SIGSTOP);
}

/*
 * Begins with a system call. Returns 0, and then injected_finish() is to be called before the task
 * is used for anything else; -ENOTRECOVERABLE; or another -errno, and it is as before.
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
	ret = write_code(in, code);
	if (!ret &&
	    (ptrace(PTRACE_SETSIGMASK, in->pid, SIGMASK_BYTES, &all) || ptrace(PTRACE_SETREGS, in->pid, NULL, &regs)))
		ret = -errno;
	if (!ret)
		ret = run_to_syscall(in);
	if (ret) {
		/* It may be anywhere on its way there: in a cgroup that somebody froze, for one. */
		if (put_back(in))
			return -ENOTRECOVERABLE;
		repeat_signal(in);
		return ret;
	}
	return ptrace(PTRACE_SYSCALL, in->pid, NULL, NULL) ? -ENOTRECOVERABLE : 0;
}

/*
 * Waits for the end of a system call. Returns 0 with its result in *@result, the task is as it was;
 * or -errno, and it is not: -ETIMEDOUT when the call does not end.
 */
int injected_finish(const struct injected *in, long *result)
{
	int status = wait_stop(in->pid), ret;

	if (status < 0)
		return status;
	/*
	 * Of a task that was in a system call itself the kernel looks whether that is to be restarted
	 * only on the way from a signal, or from a stop by a tracer.
	 */
	if (!is_syscall_stop(status) || ptrace(PTRACE_INTERRUPT, in->pid, NULL, NULL) ||
	    ptrace(PTRACE_CONT, in->pid, NULL, NULL))
		return -EIO;
	status = wait_stop(in->pid);
	if (status < 0)
		return status;
	ret = injected_undo(in, result);
	if (!ret)
		repeat_signal(in);
	return ret;
}

/*
 * Puts a task back that is stopped, whether or not by who began with the system call, and whether or
 * not it was begun with. *@result is what it returned, or -EINTR when it was not made.
 * Returns 0 or -errno.
 */
int injected_undo(const struct injected *in, long *result)
{
	struct injected now = *in;
	uint64_t there[2], at;
	int ret;

	*result = -EINTR;
	ret = read_code(in, there);
	if (ret || (there[0] != code[0] && there[1] != code[1]))
		return ret;
	ret = get(in, &now.regs);
	if (ret)
		return ret;
	at = now.regs.rip - in->ip;
	/* Elsewhere, it is not to be moved. */
	if (at > AFTER_CALL_MAX)
		return put_back(&now);
	/* The kernel restarts by itself what a signal kept it from. */
	if (at >= AFTER_CALL_MIN && (long)now.regs.rax >= -MAX_ERRNO)
		*result = now.regs.rax;
	return put_back(in);
}
