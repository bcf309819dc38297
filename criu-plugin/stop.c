// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stopping a process for a moment, all threads of it: what is injected overwrites code
 * that any of them may be about to run.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rseq.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <unistd.h>

#include <compel/infect.h>
#include <compel/ptrace.h>
#include <compel/task-state.h>

#include "proc.h"
#include "stop.h"

/* How long a process may take to stop. criu gives up after as long. */
#define STOP_TIMEOUT_S 10

static void on_alarm(int sig)
{
}

static int remember(struct stopped *s, int tid, int state)
{
	int *tids = realloc(s->tids, (s->nr + 1) * sizeof(*tids)), *states;

	if (!tids)
		return -ENOMEM;
	s->tids = tids;
	states = realloc(s->states, (s->nr + 1) * sizeof(*states));
	if (!states)
		return -ENOMEM;
	s->states = states;
	tids[s->nr] = tid;
	states[s->nr++] = state;
	return 0;
}

static bool is_stopped(const struct stopped *s, int tid)
{
	size_t i;

	for (i = 0; i < s->nr; i++)
		if (s->tids[i] == tid)
			return true;
	return false;
}

/* Whether a thread is no more, or a zombie, which cannot be stopped. */
bool has_ended(int tid)
{
	char path[32], line[64] = "";
	FILE *f;

	if (kill(tid, 0) && errno == ESRCH)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT || errno == ESRCH;
	while (fgets(line, sizeof(line), f) && strncmp(line, "State:", 6))
		;
	fclose(f);
	return strchr(line, 'Z') || strchr(line, 'X');
}

/* Stops a thread. Returns 1; 0 if it has ended meanwhile; -errno. */
static int stop_thread(int tid, struct stopped *s)
{
	int state = compel_stop_task(tid), ret;

	if (state < 0)
		return has_ended(tid) ? 0 : -EPERM;
	if (state == COMPEL_TASK_DEAD || state == COMPEL_TASK_ZOMBIE)
		return 0;
	ret = remember(s, tid, state);
	if (ret)
		compel_resume_task(tid, state, state);
	return ret ?: 1;
}

/* Stops the threads that are not yet. Returns how many there were, or -errno. */
static int stop_others(int pid, struct stopped *s)
{
	struct dirent *e;
	char path[32];
	int ret = 0, nr = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	if (!d)
		return -errno;
	while (ret >= 0 && (e = readdir(d))) {
		int tid = atoi(e->d_name);

		if (!tid || is_stopped(s, tid))
			continue;
		ret = stop_thread(tid, s);
		if (ret > 0)
			nr++;
	}
	closedir(d);
	return ret < 0 ? ret : nr;
}

/*
 * A restartable sequence that the main thread is in is not restarted when something has been
 * injected there: the kernel sees another place than the one that it was interrupted at. So it is sent
 * to where it begins anew; see the kernel's kernel/rseq.c, and fixup_thread_rseq() of criu.
 */
void abort_rseq(int pid)
{
	struct __ptrace_rseq_configuration conf = {};
	struct user_regs_struct regs;
	uint64_t at = 0;
	struct rseq_cs cs;
	int mem;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(conf), &conf) < 0 || !conf.rseq_abi_pointer)
		return;
	mem = proc_open(pid, "mem", O_RDONLY);
	if (mem < 0)
		return;
	if (pread(mem, &at, sizeof(at), conf.rseq_abi_pointer + offsetof(struct rseq, rseq_cs)) == sizeof(at) && at &&
	    pread(mem, &cs, sizeof(cs), at) == sizeof(cs) && !ptrace(PTRACE_GETREGS, pid, NULL, &regs) &&
	    regs.rip - cs.start_ip < cs.post_commit_offset) {
		regs.rip = cs.abort_ip;
		ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	}
	close(mem);
}

/*
 * Stops the first thread of @pid only, however long that takes; as stop_process() else. Nothing is
 * injected there, and so nothing done about restartable sequences.
 */
int stop_main(int pid, struct stopped *s)
{
	int ret;

	*s = (struct stopped){};
	ret = stop_thread(pid, s);
	return ret < 0 ? ret : ret ? 0 : -ESRCH;
}

/*
 * Stops all threads of @pid under ptrace, so that something can be injected into the first; to be
 * ended with resume_process().
 *
 * Returns 0; -ETIMEDOUT when it does not react, as in uninterruptible sleep; -EPERM when
 * it is somebody else's or traced; another -errno. Nothing is stopped then.
 */
int stop_process(int pid, struct stopped *s)
{
	/* Without SA_RESTART, so that waiting ends. */
	struct sigaction act = { .sa_handler = on_alarm }, before;
	int ret;

	*s = (struct stopped){};
	sigaction(SIGALRM, &act, &before);
	alarm(STOP_TIMEOUT_S);
	/* A thread may have been made by one that was not stopped yet. */
	do
		ret = stop_others(pid, s);
	while (ret > 0);
	if (!alarm(0) && ret)
		ret = -ETIMEDOUT;
	sigaction(SIGALRM, &before, NULL);
	if (!ret && !s->nr)
		ret = -ESRCH;
	if (ret)
		resume_process(s);
	else
		abort_rseq(pid);
	return ret;
}

/* Returns 0, or -EIO when a thread may still be stopped. */
int resume_process(struct stopped *s)
{
	int ret = 0;

	while (s->nr--)
		if (compel_resume_task(s->tids[s->nr], s->states[s->nr], s->states[s->nr]) && !kill(s->tids[s->nr], 0))
			ret = -EIO;
	free(s->tids);
	free(s->states);
	*s = (struct stopped){};
	return ret;
}
