// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freezing with fork(): the task is made to clone itself while it is stopped, and the
 * child, which shares its pages until one of them is written to, is never let run. It is
 * what is read. Whatever the task does then, even exit, the child has the memory.
 *
 * The child begins under ptrace of criu (CLONE_PTRACE) and is killed when criu goes away
 * (PTRACE_O_EXITKILL). It is made to close all descriptors, so that nothing is held open for
 * longer, and has no exit signal, so that the task does not hear of it. But it is a child of
 * the task, which has to wait for it in the end: reaper.c. When the task ends before that,
 * the child is left to whoever such children are left to.
 *
 * Not in the child: mappings with MADV_DONTFORK, contents of those with MADV_WIPEONFORK,
 * AIO rings, and the code that was at the place of the injected system call. The last is
 * written back, the others are not present in its page tables and hence copied.
 *
 * What the child has can be taken from it in one way: who truncates a file takes the pages of
 * private mappings of it, too, from all processes. They are counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "freezer.h"
#include "host.h"
#include "image.h"
#include "inject.h"
#include "live.h"
#include "page.h"
#include "proc.h"
#include "reaper.h"
#include "task.h"

/* More than compel overwrites for a system call: BUILTIN_SYSCALL_SIZE is 8. */
#define CODE_BYTES 64

static int probe_fork(struct tracker_verdict *v)
{
	v->reason[0] = '\0';
	return 0;
}

/* Only private memory is copied by fork(); of hugetlb the task may take back what the child has. */
static const char *refusal_fork(const struct cr_plugin_vma *vma)
{
	if (!(vma->status & VMA_AREA_REGULAR))
		return "special mapping";
	if (vma->status & (VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL | VMA_AREA_AIORING | VMA_AREA_SHSTK))
		return "special mapping";
	if (vma_is_hugetlb(vma))
		return "hugetlb";
	if (!(vma->status & (VMA_ANON_PRIVATE | VMA_FILE_PRIVATE)))
		return "shared memory";
	return NULL;
}

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
	char line[4096], dir[4224] = "", *slash;
	uint64_t left = UINT64_MAX;
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/cgroup", pid);
	f = fopen(line, "re");
	if (!f)
		return left;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::", 3))
			snprintf(dir, sizeof(dir), "/sys/fs/cgroup%s", line + 3);
	}
	fclose(f);
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
static bool fits(const struct frozen *f, const struct proc_status *status)
{
	uint64_t bytes = f->bytes;
	const struct frozen *other;

	for (other = live_first(); other; other = other->next)
		if (other->child >= 0)
			bytes += other->bytes;
	return bytes <= meminfo("MemAvailable:") && bytes <= cgroup_left(f->args.pid) && can_be_promised(status);
}

/* Whether children of @pid are in its own pid namespace. Elsewhere the first one is that one's init. */
static bool clones_into_own_namespace(int pid)
{
	char path[64], own[64] = "", children[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	if (readlink(path, own, sizeof(own) - 1) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/ns/pid_for_children", pid);
	return readlink(path, children, sizeof(children) - 1) >= 0 && !strcmp(own, children);
}

static void end_fork(struct frozen *f)
{
	if (f->mem >= 0)
		close(f->mem);
	if (f->pagemap >= 0)
		close(f->pagemap);
	f->mem = f->pagemap = -1;
	if (f->child < 0)
		return;
	kill(f->child, SIGKILL);
	while (waitpid(f->child, NULL, __WALL) < 0 && errno == EINTR)
		;
	f->child = -1;
	reaper_reap(f->args.pid, f->ns_pid, f->args.syscall_ip);
}

/*
 * The child has its task's seccomp, which may kill it for what is injected. criu has suspended
 * that for the task with an option, which the ones that are set here take the place of.
 */
static int set_options(int child, const struct proc_status *status)
{
	unsigned long options = PTRACE_O_EXITKILL;

	if (proc_status_number(status, "Seccomp:") > 0)
		options |= PTRACE_O_SUSPEND_SECCOMP;
	return ptrace(PTRACE_SETOPTIONS, child, 0, options) ? -errno : 0;
}

/* Takes charge of the child that just appeared, stopped, under ptrace. @status: its task's. */
static int adopt(struct frozen *f, const struct proc_status *status, const void *code, size_t code_bytes)
{
	int wstatus, mem, ret;
	long closed;

	f->child = reaper_find(f->args.pid, f->ns_pid);
	if (f->child < 0)
		return f->child;
	while ((ret = waitpid(f->child, &wstatus, __WALL)) < 0 && errno == EINTR)
		;
	if (ret < 0 || !WIFSTOPPED(wstatus))
		return -ECHILD;
	ret = set_options(f->child, status);
	if (ret)
		return ret;
	mem = proc_open(f->child, "mem", O_RDWR);
	if (mem < 0)
		return mem;
	f->mem = mem;
	/* Nothing may stay open for longer because of it: sockets, pipes, locks. */
	ret = inject_syscall(f->child, f->args.syscall_ip, SYS_close_range, &closed, 0, ~0u, 0);
	if (ret || closed)
		return ret ?: closed;
	if (pwrite(mem, code, code_bytes, f->args.syscall_ip) != (ssize_t)code_bytes)
		return -EIO;
	f->pagemap = proc_open(f->child, "pagemap", O_RDONLY);
	return f->pagemap < 0 ? f->pagemap : 0;
}

/* Why @f's task cannot have a child that is stopped and not in the way; NULL if it can. */
static const char *child_unwanted(const struct frozen *f, const struct proc_status *status)
{
	if (!clones_into_own_namespace(f->args.pid))
		return "its children are in another pid namespace";
	/* Nothing can be run in it, and so nothing be waited for, when that is restored. */
	if (f->cgroup_frozen)
		return "it was in a frozen cgroup";
	/* Of a private one that it shares with a child, it may not get a copy: it would be killed. */
	if (proc_status_number(status, "HugetlbPages:") > 0)
		return "it has hugetlb pages";
	return NULL;
}

static int make_child(struct frozen *f, const struct proc_status *status)
{
	const char *unwanted = child_unwanted(f, status);
	unsigned char code[CODE_BYTES];
	long ns_pid = -1;
	int ret;

	if (unwanted) {
		host_log(f->asked ? HOST_ERROR : HOST_INFO, "%d: fork cannot freeze it: %s\n", f->args.pid, unwanted);
		return -EPERM;
	}
	if (!fits(f, status)) {
		log_info("%d: there is not enough memory for a copy of all its pages\n", f->args.pid);
		return -ENOMEM;
	}
	if (pread(f->origin, code, sizeof(code), f->args.syscall_ip) != sizeof(code))
		return -EIO;
	ret = reaper_watch(f->args.pid, f->args.syscall_ip);
	if (ret)
		return ret;
	ret = inject_syscall(f->args.pid, f->args.syscall_ip, SYS_clone, &ns_pid, CLONE_PTRACE, 0, 0);
	if (!ret && ns_pid < 0)
		ret = ns_pid;
	f->ns_pid = ret ? -1 : ns_pid;
	/* Not told, the process that watches takes any such child for it, if criu is killed. */
	reaper_watch_child(f->args.pid, f->ns_pid, f->args.syscall_ip);
	if (ret)
		return ret;
	ret = adopt(f, status, code, sizeof(code));
	if (ret)
		end_fork(f);
	return ret;
}

static FILE *open_maps(int pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return fopen(path, "re");
}

/* Whether /proc/PID/maps says the same of both. */
static bool same_maps(int pid, int child)
{
	FILE *f = open_maps(pid), *g = open_maps(child);
	char a[4096], b[sizeof(a)];
	bool same = f && g;
	size_t nr = 1;

	while (same && nr) {
		nr = fread(a, 1, sizeof(a), f);
		same = fread(b, 1, sizeof(b), g) == nr && !memcmp(a, b, nr) && !ferror(f) && !ferror(g);
	}
	if (f)
		fclose(f);
	if (g)
		fclose(g);
	return same;
}

/*
 * Why criu cannot learn from the child what there is in the task; NULL if it can. None of
 * this takes longer for larger mappings.
 */
static const char *child_lacks(const struct frozen *f, const struct proc_status *status)
{
	static const struct scan_filter dumped = {
		.inverted = PAGE_IS_PFNZERO,
		.mask = PAGE_IS_PFNZERO,
		.anyof = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	};
	const char *lacks = NULL;
	int pagemap;
	size_t i;

	/* clone() unlocks mappings, and leaves out those with MADV_DONTFORK. */
	if (proc_status_number(status, "VmLck:") != 0)
		return "which mappings are locked";
	if (!same_maps(f->args.pid, f->child))
		return "a mapping";
	pagemap = proc_open(f->args.pid, "pagemap", O_RDONLY);
	if (pagemap < 0)
		return "what could not be compared";
	for (i = 0; i < f->args.nr_vmas && !lacks; i++) {
		const struct cr_plugin_vma *vma = &f->args.vmas[i];
		uint64_t page, same;
		int ret;

		/* The kernel's own are the same in every process. */
		if (vma->status & (VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL))
			continue;
		if (!(vma->status & (VMA_ANON_PRIVATE | VMA_AREA_AIORING)))
			continue;
		if (vma->status & VMA_AREA_AIORING)
			lacks = "an AIO ring";
		else if (vma_is_hugetlb(vma))
			lacks = "hugetlb pages";
		if (lacks)
			break;
		/* MADV_WIPEONFORK, which there is for this kind only, takes all pages or none. */
		ret = scan_first(pagemap, vma->start, vma->end, &dumped, &page);
		if (ret == 1)
			ret = 1 - scan_first(f->pagemap, page, page + PAGE_BYTES, &freezer_fork.frozen, &same);
		if (ret)
			lacks = "pages";
	}
	close(pagemap);
	return lacks;
}

/* How many pages of private mappings of files the child has that are not the file's. */
static int count_private(const struct frozen *f, uint64_t *pages)
{
	static const struct scan_filter changed = {
		.inverted = PAGE_IS_FILE,
		.mask = PAGE_IS_FILE,
		.anyof = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	};
	size_t i;

	*pages = 0;
	for (i = 0; i < f->args.nr_vmas; i++) {
		const struct cr_plugin_vma *vma = &f->args.vmas[i];
		uint64_t nr;
		int ret;

		if (!(vma->status & VMA_FILE_PRIVATE))
			continue;
		ret = scan_matching(f->pagemap, vma->start, vma->end, &changed, NULL, &nr);
		if (ret)
			return ret;
		*pages += nr;
	}
	return 0;
}

static int verify_fork(const struct frozen *f)
{
	uint64_t pages;
	int ret = count_private(f, &pages);

	return ret ?: pages == f->private_pages ? 0 : -ESTALE;
}

/* About what a copy of all private memory takes. */
static uint64_t private_bytes(const struct proc_status *status)
{
	int anon = proc_status_number(status, "RssAnon:"), swap = proc_status_number(status, "VmSwap:");

	return ((uint64_t)(anon > 0 ? anon : 0) + (swap > 0 ? swap : 0)) << 10;
}

static int freeze_fork(struct frozen *f)
{
	struct proc_status status;
	const char *lacks;
	size_t i;
	int ret;

	proc_status_read(f->args.pid, &status);
	if (!f->listed)
		f->bytes = private_bytes(&status);
	ret = make_child(f, &status);
	if (ret)
		return ret;
	ret = count_private(f, &f->private_pages);
	if (ret) {
		end_fork(f);
		return ret;
	}
	for (i = 0; i < f->args.nr_vmas; i++)
		f->covered[i] = !refusal_fork(&f->args.vmas[i]);
	if (f->listed)
		return 0;
	lacks = child_lacks(f, &status);
	if (lacks)
		log_info("%d: its child lacks %s; its pages are listed while it is stopped\n", f->args.pid, lacks);
	f->cloned = !lacks;
	return 0;
}

const struct freezer freezer_fork = {
	.name = "fork",
	.probe = probe_fork,
	.prepare = reaper_start,
	.refusal = refusal_fork,
	.freeze = freeze_fork,
	.frozen = { .anyof = PAGE_IS_PRESENT | PAGE_IS_SWAPPED },
	/* clone() copies a mapping, or does not (MADV_DONTFORK, MADV_WIPEONFORK), or fails. */
	.whole = true,
	.verify = verify_fork,
	.end = end_fork,
};
