// SPDX-License-Identifier: GPL-2.0-only
/*
 * A task is made to clone itself while it is stopped, and the child, which shares its pages until
 * one of them is written to, is not let run but to close its files.
 *
 * The child begins under ptrace of criu (CLONE_PTRACE) and is killed when criu goes away
 * (PTRACE_O_EXITKILL). It is made to close all descriptors, so that nothing is held open for
 * longer, and has no exit signal, so that the task does not hear of it. But it is a child of
 * the task, which has to wait for it in the end: reaper.c. When the task ends before that,
 * the child is left to whoever such children are left to.
 *
 * clone() takes longer the more memory there is, and criu may be killed meanwhile: so what the
 * task is made to do is of a kind that it survives that, see injected_start().
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clone.h"
#include "host.h"
#include "proc.h"
#include "reaper.h"

static struct clone *all;

/* A number in a small file, as those of cgroups are; "max" and what cannot be read is UINT64_MAX. */
static uint64_t file_number(const char *dir, const char *name)
{
	unsigned long long n;
	char path[4352];
	FILE *f;
	int got;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return UINT64_MAX;
	got = fscanf(f, "%llu", &n);
	fclose(f);
	return got == 1 ? n : UINT64_MAX;
}

/* What the memory cgroups (v2) of a task leave it. */
static uint64_t cgroup_left(int pid)
{
	char dir[4224], *slash;
	uint64_t left = UINT64_MAX;

	proc_cgroup(pid, dir, sizeof(dir));
	while (strlen(dir) > strlen("/sys/fs/cgroup/") && (slash = strrchr(dir, '/'))) {
		uint64_t max = file_number(dir, "memory.max"), used = file_number(dir, "memory.current");

		if (max != UINT64_MAX && used != UINT64_MAX && left > (max > used ? max - used : 0))
			left = max > used ? max - used : 0;
		*slash = '\0';
	}
	return left;
}

/* A number in /proc/meminfo, in bytes. */
static uint64_t meminfo(const char *key)
{
	unsigned long long kib = 0;
	size_t len = strlen(key);
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && sscanf(line + len, " %llu", &kib) == 1)
			break;
	fclose(f);
	return kib << 10;
}

/*
 * Where memory is not overcommitted (vm.overcommit_memory is 2), clone() takes of what can be
 * promised as much as the task has been promised, and others may ask meanwhile.
 */
static bool can_be_promised(const struct proc_status *status)
{
	uint64_t limit, used;
	int kib;

	if (file_number("/proc/sys/vm", "overcommit_memory") != 2)
		return true;
	limit = meminfo("CommitLimit:");
	used = meminfo("Committed_AS:");
	kib = proc_status_number(status, "VmData:");
	return kib >= 0 && used < limit && limit - used >= 2 * ((uint64_t)kib << 10);
}

/*
 * Whether there is room for a copy of all pages: the task may write to each of them, and
 * so may the others, of which there are such children already.
 */
static bool fits(const struct clone *c, const struct proc_status *status)
{
	const struct clone *other;
	uint64_t bytes = c->bytes;

	for (other = all; other; other = other->next)
		bytes += other->bytes;
	return bytes <= meminfo("MemAvailable:") && bytes <= cgroup_left(c->in.pid) && can_be_promised(status);
}

#define NS_LINK_BYTES 64

/* @pid may be "self". */
static bool namespace_of(const char *pid, const char *name, char link[NS_LINK_BYTES])
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, name);
	len = readlink(path, link, NS_LINK_BYTES - 1);
	link[len < 0 ? 0 : len] = '\0';
	return len >= 0;
}

/*
 * Whether children of @pid are in its own pid namespace. Elsewhere the first one is that one's init.
 * *@same: whether that is this process' as well.
 */
static bool clones_into_own_namespace(int pid, bool *same)
{
	char own[NS_LINK_BYTES], children[NS_LINK_BYTES], this[NS_LINK_BYTES], name[16];

	snprintf(name, sizeof(name), "%d", pid);
	if (!namespace_of(name, "pid", own) || !namespace_of(name, "pid_for_children", children))
		return false;
	*same = namespace_of("self", "pid", this) && !strcmp(own, this);
	return !strcmp(own, children);
}

static void end_child(const struct clone *c)
{
	if (c->mem >= 0)
		close(c->mem);
	if (c->pagemap >= 0)
		close(c->pagemap);
	if (c->child < 0)
		return;
	kill(c->child, SIGKILL);
	while (waitpid(c->child, NULL, __WALL) < 0 && errno == EINTR)
		;
	reaper_reap(&c->in, c->ns_pid);
}

/*
 * The child has its task's seccomp, which may kill it for what is injected. criu has suspended
 * that for the task with an option, which the ones that are set here take the place of.
 */
static int set_options(const struct clone *c)
{
	unsigned long options = PTRACE_O_EXITKILL;

	if (c->seccomp)
		options |= PTRACE_O_SUSPEND_SECCOMP;
	return ptrace(PTRACE_SETOPTIONS, c->child, 0, options) ? -errno : 0;
}

/*
 * Lets the child close its files, and then stop: nothing may stay open for longer because of it, sockets, pipes
 * or locks. It is not waited for here. Some file systems write back what is dirty at each close(), over a network.
 */
static int begin_closing(const struct clone *c)
{
	/* syscall, and breakpoints */
	static const uint64_t code = 0xcccccccccccc050f;
	struct user_regs_struct regs = c->in.regs;

	regs.rip = c->in.ip;
	regs.rax = SYS_close_range;
	regs.orig_rax = -1;
	regs.rdi = 0;
	regs.rsi = ~0u;
	regs.rdx = 0;
	if (pwrite(c->mem, &code, sizeof(code), c->in.ip) != sizeof(code))
		return -EIO;
	if (ptrace(PTRACE_SETREGS, c->child, NULL, &regs) || ptrace(PTRACE_CONT, c->child, NULL, NULL))
		return -errno;
	return 0;
}

/* Takes charge of the child that just appeared, stopped, under ptrace. */
static int adopt(struct clone *c)
{
	int wstatus, ret;

	/* To look through the children of a task takes longer. */
	c->child = c->same_namespace ? c->ns_pid : reaper_find(c->in.pid, c->ns_pid);
	if (c->child < 0)
		return c->child;
	while ((ret = waitpid(c->child, &wstatus, __WALL)) < 0 && errno == EINTR)
		;
	if (ret < 0 || !WIFSTOPPED(wstatus))
		return -ECHILD;
	ret = set_options(c);
	if (ret)
		return ret;
	c->mem = proc_open(c->child, "mem", O_RDWR);
	if (c->mem < 0)
		return c->mem;
	c->pagemap = proc_open(c->child, "pagemap", O_RDONLY);
	return c->pagemap < 0 ? c->pagemap : begin_closing(c);
}

/*
 * To be called before memory of the child is read. Waits until it has closed its files, for which tasks
 * need not be stopped. Returns 0, or -errno when the child is of no use.
 */
int clone_ready(struct clone *c)
{
	struct user_regs_struct regs;
	int wstatus, ret;

	if (c->ready)
		return 0;
	while ((ret = waitpid(c->child, &wstatus, __WALL)) < 0 && errno == EINTR)
		;
	if (ret < 0 || !WIFSTOPPED(wstatus))
		return -ESRCH;
	if (WSTOPSIG(wstatus) != SIGTRAP || ptrace(PTRACE_GETREGS, c->child, NULL, &regs) || regs.rax)
		return -EIO;
	if (pwrite(c->mem, c->in.code, sizeof(c->in.code), c->in.ip) != sizeof(c->in.code))
		return -EIO;
	c->ready = true;
	return 0;
}

/* Why a task cannot have a child that is stopped and not in the way; NULL if it can. */
static const char *child_unwanted(struct clone *c, const struct clone_wish *wish, const struct proc_status *status)
{
	if (!clones_into_own_namespace(wish->pid, &c->same_namespace))
		return "its children are in another pid namespace";
	/* Nothing can be run in it, and so nothing be waited for, when that is restored. */
	if (wish->cgroup_frozen)
		return "it was in a frozen cgroup";
	/* Of a private one that it shares with a child, it may not get a copy: it would be killed. */
	if (proc_status_number(status, "HugetlbPages:") > 0)
		return "it has hugetlb pages";
	return NULL;
}

/* About what a copy of all private memory takes. */
static uint64_t private_bytes(const struct proc_status *status)
{
	int anon = proc_status_number(status, "RssAnon:"), swap = proc_status_number(status, "VmSwap:");

	return ((uint64_t)(anon > 0 ? anon : 0) + (swap > 0 ? swap : 0)) << 10;
}

/* Has the task begin with clone(). Returns as clone_begin() does. */
static int begin_child(struct clone *c)
{
	int ret = reaper_watch(&c->in);

	if (ret)
		return ret;
	ret = injected_start(&c->in, SYS_clone, CLONE_PTRACE, 0, 0);
	if (!ret) {
		c->begun = true;
		host_log(HOST_DEBUG, "%d: it clones itself\n", c->in.pid);
	} else if (ret != -ENOTRECOVERABLE) {
		reaper_watch_child(&c->in, ret);
	}
	return ret;
}

/* Waits for the end of that. Returns as clone_finish() does. */
static int finish_child(struct clone *c)
{
	long ns_pid = -1;
	int ret = injected_finish(&c->in, &ns_pid);

	c->begun = false;
	if (ret == -ETIMEDOUT)
		log_err("%d: clone() does not end; does somebody watch its memory with a userfaultfd, and not answer?\n",
			c->in.pid);
	else if (ret)
		log_err("%d: what became of clone() is not known: %s\n", c->in.pid, strerror(-ret));
	/* Who watches puts it back, and kills the child, when that is possible. */
	if (ret)
		return -ENOTRECOVERABLE;
	reaper_watch_child(&c->in, ns_pid);
	c->ns_pid = ns_pid;
	return ns_pid < 0 ? ns_pid : 0;
}

static int begin(struct clone *c, const struct clone_wish *wish)
{
	struct proc_status status;
	const char *unwanted;
	int ret;

	proc_status_read(wish->pid, &status);
	c->bytes = wish->bytes ?: private_bytes(&status);
	c->seccomp = proc_status_number(&status, "Seccomp:") > 0;
	c->locked = proc_status_number(&status, "VmLck:") != 0;
	unwanted = child_unwanted(c, wish, &status);
	if (unwanted) {
		host_log(wish->asked ? HOST_ERROR : HOST_INFO, "%d: fork cannot freeze it: %s\n", wish->pid, unwanted);
		return -EPERM;
	}
	ret = injected_prepare(&c->in, wish->pid, wish->syscall_ip);
	if (ret)
		return ret;
	if (!fits(c, &status)) {
		log_info("%d: there is not enough memory for a copy of all its pages\n", wish->pid);
		return -ENOMEM;
	}
	return begin_child(c);
}

/*
 * Begins to make a child of a stopped task, which nobody may use until clone_finish() or clone_free()
 * was called. Returns 0 or -errno, when the task is as before, unless that is -ENOTRECOVERABLE: then it is not
 * to be used, and gets to that when criu has ended.
 */
int clone_begin(const struct clone_wish *wish, struct clone **new)
{
	struct clone *c = calloc(1, sizeof(*c));
	int ret;

	*new = NULL;
	if (!c)
		return -ENOMEM;
	c->child = c->mem = c->pagemap = -1;
	ret = begin(c, wish);
	c->next = all;
	all = c;
	if (ret)
		clone_free(c);
	else
		*new = c;
	return ret;
}

/* Waits for the child, and takes charge of it. Returns as clone_begin() does, but clone_free() is always due. */
int clone_finish(struct clone *c)
{
	return finish_child(c) ?: adopt(c);
}

/* Ends the child, and has the task wait for it, which may be stopped or run. */
void clone_free(struct clone *c)
{
	struct clone **p = &all;

	if (c->begun)
		clone_finish(c);
	end_child(c);
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	free(c);
}
