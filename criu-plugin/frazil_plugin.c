// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CRIU plugin: hooks only. What they decide is in task.c (may the last round be
 * believed, what is armed), scan.c (what is answered for which page), tracker.c
 * (what the kernel can do) and live.c (how memory is kept while its task runs on).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "criu-plugin.h"
#include "criu-log.h"
#include "cr_options.h"
#include "pid.h"
#include "seize.h"
#include "util.h"

#include "config.h"
#include "host.h"
#include "live.h"
#include "proc.h"
#include "task.h"
#include "working_set.h"

#undef LOG_PREFIX
#define LOG_PREFIX "frazil: "

/* The API that stock CRIU 4.1.1 has: no hook for memory. */
#define STOCK_API_VERSION CRIU_PLUGIN_GEN_VERSION(0, 2, 0)
#define STOCK_API_HOOKS	  12

/* NULL in a criu that is older than the series. */
extern unsigned int criu_get_plugin_version(void) __attribute__((weak));

struct task_node {
	struct task task;
	int ns_pid; /* in the task's own pid namespace, as in the images' names */
	struct task_node *next;
};

static struct config config;
static int stage_now;
static const struct tracker *tracker;
static const struct freezer *freezer; /* the one that was asked for */
static struct task_node *tasks;
static FrazilRounds *parent;

void host_log(enum host_level level, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	switch (level) {
	case HOST_ERROR:
		pr_err("%s", text);
		break;
	case HOST_WARN:
		pr_warn("%s", text);
		break;
	case HOST_INFO:
		pr_info("%s", text);
		break;
	case HOST_DEBUG:
		pr_debug("%s", text);
		break;
	}
}

int host_run(const char *path, char *const argv[])
{
	/* criu's own way to run a program while it waits for tasks */
	return cr_system(-1, -1, -1, (char *)path, (char **)argv, 0);
}

static bool criu_has_hooks(void)
{
	return criu_get_plugin_version && criu_get_plugin_version() >= CRIU_PLUGIN_VERSION;
}

/* Or there is to be no live dump: freeze = none */
static bool may_freeze(void)
{
	return !config.freeze || freezer;
}

/* What is known so far of what dump_is_live() of criu finds out. */
static bool may_be_live(void)
{
	return opts.final_state == TASK_ALIVE && !opts.stream && !opts.auto_dedup;
}

static int frazil_init(int stage)
{
	struct tracker_verdict verdict = {};
	char error[256];
	int ret;

	stage_now = stage;
	if (stage == CR_PLUGIN_STAGE__RESTORE)
		return 0;
	if (!criu_has_hooks()) {
		pr_warn("This criu has no hooks for memory tracking; install the one that comes with Frazil. "
			"Until then criu's own tracking is used\n");
		return 0;
	}
	if (config_read(&config, error, sizeof(error))) {
		pr_err("%s\n", error);
		return -1;
	}
	if (config.tracker && !strcmp(config.tracker, "none")) {
		pr_info("Told not to track memory\n");
	} else {
		tracker = tracker_select(config.tracker, &verdict);
		if (tracker)
			pr_info("Tracking memory with %s: %s\n", tracker->name, tracker->tells);
		else if (config.tracker)
			pr_err("%s was asked for and cannot be used: %s\n", config.tracker, verdict.reason);
		else
			pr_warn("Memory cannot be tracked here: %s\n", verdict.reason);
		if (!tracker && config.tracker)
			return -1;
	}
	freezer = config.freeze ? freezer_find(config.freeze) : NULL;
	if (freezer && freezer->probe(&verdict)) {
		pr_err("freeze = %s was asked for and cannot be done: %s\n", freezer->name, verdict.reason);
		return -1;
	}

	if (stage == CR_PLUGIN_STAGE__DUMP && may_be_live() && may_freeze())
		live_begin(freezer);

	if (tracker && stage == CR_PLUGIN_STAGE__PRE_DUMP)
		task_start_keeper();

	/* These images are about to be made anew, by whomever. */
	unlinkat(criu_get_image_dir(), ROUNDS_FILE, 0);
	unlinkat(criu_get_image_dir(), WORKING_SET_FILE, 0);
	ret = rounds_read(criu_get_image_dir(), "parent/" ROUNDS_FILE, &parent);
	if (ret && ret != -ENOENT)
		pr_warn("parent/" ROUNDS_FILE " cannot be used: %s; all memory is dumped\n", strerror(-ret));
	return 0;
}

static FrazilTask *task_entry(struct task_node *n)
{
	struct task *t = &n->task;
	FrazilTask *e = malloc(sizeof(*e));

	if (!e)
		return NULL;
	frazil_task__init(e);
	e->pid = t->pid;
	e->start_time = t->start_time;
	e->tracker = tracker ? (char *)tracker->name : "none";
	e->has_round = t->armed;
	e->round.data = t->round;
	e->round.len = t->armed ? sizeof(t->round) : 0;
	e->has_tells_used = t->armed;
	e->tells_used = t->protected;
	e->scanned = t->counts.scanned;
	e->has_written = t->has_parent;
	e->has_hot = e->has_cold = t->tells_used;
	e->written = t->counts.written;
	e->hot = t->counts.hot;
	e->cold = t->counts.cold;
	e->vmas_tracked = t->vmas_tracked;
	e->vmas_untracked = t->vmas_untracked;
	return e;
}

static FrazilLive *live_entry(const struct frozen *f)
{
	FrazilLive *e = malloc(sizeof(*e));

	if (!e)
		return NULL;
	frazil_live__init(e);
	e->pid = f->args.pid;
	e->start_time = f->start_time;
	e->freezer = (char *)f->freezer->name;
	e->copied_frozen = f->counts.copied_frozen;
	e->copied_fault = f->counts.copied_fault;
	e->copied_behind = f->counts.copied_behind;
	e->faults = f->counts.faults;
	e->wait_max_us = f->counts.wait_max_us;
	e->waits = (uint64_t *)f->counts.waits;
	e->n_waits = WAIT_BUCKETS;
	return e;
}

/* Not written, the next dump is a full one: so a failure is not one of this dump. */
static void write_rounds(void)
{
	size_t nr = 0, nr_lives = 0, i;
	const struct frozen *f;
	FrazilTask **entries;
	FrazilLive **lives;
	struct task_node *n;
	int ret = 0;

	for (n = tasks; n; n = n->next)
		nr += !n->task.left_to_criu;
	for (f = live_first(); f; f = f->next)
		nr_lives++;
	if (!nr && !nr_lives)
		return;
	entries = calloc(nr + 1, sizeof(*entries));
	lives = calloc(nr_lives + 1, sizeof(*lives));
	for (n = tasks, i = 0; entries && n; n = n->next)
		if (!n->task.left_to_criu && !(entries[i++] = task_entry(n)))
			ret = -ENOMEM;
	for (f = live_first(), i = 0; lives && f; f = f->next, i++)
		if (!(lives[i] = live_entry(f)))
			ret = -ENOMEM;
	if (!ret)
		ret = entries && lives ? rounds_write(criu_get_image_dir(), entries, nr, lives, nr_lives) : -ENOMEM;
	if (ret)
		pr_warn("Can't write " ROUNDS_FILE ": %s; the next dump will be a full one\n", strerror(-ret));
	for (i = 0; entries && i < nr; i++)
		free(entries[i]);
	for (i = 0; lives && i < nr_lives; i++)
		free(lives[i]);
	free(entries);
	free(lives);
}

/* A hint for whoever restores the images, or wants to know. */
static void write_working_set(void)
{
	struct working_set ws = {};
	struct task_node *n;
	int ret = -ENOMEM;

	for (n = tasks; n; n = n->next)
		ws.nr++;
	ws.tasks = calloc(ws.nr, sizeof(*ws.tasks));
	if (ws.tasks) {
		struct task_set *t = ws.tasks;

		for (n = tasks; n; n = n->next)
			*t++ = (struct task_set){
				.pid = n->task.pid,
				.ns_pid = n->ns_pid,
				.start_time = n->task.start_time,
				.told = n->task.tells_used,
				.known = n->task.known,
				.untracked = n->task.untracked,
			};
		ret = working_set_write(criu_get_image_dir(), &ws);
	}
	if (ret)
		pr_warn("Can't write " WORKING_SET_FILE ": %s; the images are complete without it\n", strerror(-ret));
	/* The sets in it are the tasks'. */
	free(ws.tasks);
}

static void frazil_exit(int stage, int ret)
{
	struct task_node *n;

	if (!ret) {
		write_rounds();
		if (tasks)
			write_working_set();
	}
	live_end();
	while ((n = tasks)) {
		tasks = n->next;
		task_fini(&n->task);
		free(n);
	}
	if (parent)
		frazil_rounds__free_unpacked(parent, NULL);
	parent = NULL;
	tracker = NULL;
}

CR_PLUGIN_REGISTER("frazil", frazil_init, frazil_exit)

/* A plugin that announces more than criu knows fails every dump: see verify_plugin(). */
static void __attribute__((constructor)) announce_what_criu_knows(void)
{
	if (criu_has_hooks())
		return;
	CR_PLUGIN_DESC.version = STOCK_API_VERSION;
	CR_PLUGIN_DESC.max_hooks = STOCK_API_HOOKS;
}

/*
 * What criu is told about use. Nothing in a pre-dump: no task is restored from one, and
 * each change between eager and lazy is an entry in a pagemap, which the next dump reads
 * while tasks are stopped.
 */
static unsigned int hints_of(const struct task *t)
{
	if (!t->tells_used || stage_now == CR_PLUGIN_STAGE__PRE_DUMP)
		return 0;
	return SCAN_HINTS | (t->has_parent ? 0 : SCAN_HINTS_DUMPED);
}

static int frazil_track_mem(struct cr_plugin_track_mem *args)
{
	struct task_node *n;
	int ret;

	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	ret = task_track(&n->task, tracker, parent, args);
	if (ret) {
		task_fini(&n->task);
		free(n);
		return ret;
	}
	/*
	 * It could not be tracked. All of it is in these images, and criu's own tracking can begin; if nobody
	 * goes by what there was of it before, should these images come to nothing.
	 */
	if (args->runs_on && !n->task.armed)
		n->task.left_to_criu = !task_forget_tracking(n->task.pid, n->task.start_time, true) &&
				       !tracker_reset_soft_dirty(n->task.pid);

	pr_info("%d: %llu pages scanned, %llu written, %llu hot, %llu cold%s; %u mappings tracked, %u not\n",
		n->task.pid, (unsigned long long)n->task.counts.scanned, (unsigned long long)n->task.counts.written,
		(unsigned long long)n->task.counts.hot, (unsigned long long)n->task.counts.cold,
		n->task.has_parent ? "" : " (first round)", n->task.vmas_tracked, n->task.vmas_untracked);
	n->ns_pid = proc_status(n->task.pid, "NSpid:");
	if (n->ns_pid < 0)
		n->ns_pid = n->task.pid;
	n->next = tasks;
	tasks = n;
	args->has_parent = n->task.has_parent;
	args->lazy_parent = config.lazy_parent && hints_of(&n->task);
	return 0;
}
CR_PLUGIN_REGISTER_HOOK(CR_PLUGIN_HOOK__TRACK_MEM, frazil_track_mem)

/*
 * Mappings that were scanned for the last round are not scanned again: since then the task
 * has been stopped. Of others the kernel is asked, and their pages are written and hot.
 */
static int frazil_scan_mem(int pid, int pagemap_fd, struct pm_scan_arg *arg)
{
	struct page_region *regions;
	struct pm_scan_arg ask = *arg;
	struct task_node *n;
	uint64_t walk_end;
	int nr;

	for (n = tasks; n && n->task.pid != pid; n = n->next)
		;
	if (!n)
		return live_scan(pid, arg);
	regions = malloc(arg->vec_len * sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	ask.vec = (uintptr_t)regions;
	if (scan_is_covered(&n->task.covered, &ask)) {
		nr = scan_again(&n->task.seen, &ask);
	} else {
		nr = ioctl(pagemap_fd, PAGEMAP_SCAN, &ask);
		if (nr < 0) {
			nr = -errno;
			pr_perror("PAGEMAP_SCAN of %d", pid);
			goto out;
		}
	}
	walk_end = ask.walk_end;
	nr = scan_answer(&n->task.known, hints_of(&n->task), regions, nr, (struct page_region *)(uintptr_t)arg->vec,
			 arg->vec_len, &walk_end);
	arg->walk_end = walk_end;
out:
	free(regions);
	return nr;
}
CR_PLUGIN_REGISTER_HOOK(CR_PLUGIN_HOOK__SCAN_MEM, frazil_scan_mem)

/* Whether a round of the tracker that can be frozen began with this dump. */
static bool is_armed(int pid)
{
	struct task_node *n;

	for (n = tasks; n && n->task.pid != pid; n = n->next)
		;
	return n && n->task.armed && n->task.protected && !strcmp(tracker->name, freezer_deactivate.name);
}

/* What a live dump needs to know of a task. */
static struct live_task task_of(int pid)
{
	return (struct live_task){
		.armed = is_armed(pid),
		.cgroup_frozen = opts.freeze_cgroup && !strcmp(get_real_freezer_state(), "FROZEN"),
		.image_dir = criu_get_image_dir(),
	};
}

static int frazil_clone_mem_begin(const struct cr_plugin_clone_mem *args)
{
	const struct live_task how = task_of(args->pid);

	return may_freeze() ? live_clone_begin(args, &how) : -ENOTSUP;
}
CR_PLUGIN_REGISTER_HOOK(CR_PLUGIN_HOOK__CLONE_MEM_BEGIN, frazil_clone_mem_begin)

static int frazil_clone_mem(struct cr_plugin_clone_mem *args)
{
	const struct live_task how = task_of(args->pid);

	return may_freeze() ? live_clone(args, &how) : -ENOTSUP;
}
CR_PLUGIN_REGISTER_HOOK(CR_PLUGIN_HOOK__CLONE_MEM, frazil_clone_mem)

static int frazil_protect_mem(const struct cr_plugin_protect_mem *args)
{
	const struct live_task how = task_of(args->pid);

	return may_freeze() ? live_protect(args, &how) : -ENOTSUP;
}
CR_PLUGIN_REGISTER_HOOK(CR_PLUGIN_HOOK__PROTECT_MEM, frazil_protect_mem)

static int frazil_read_mem(const struct cr_plugin_read_mem *args)
{
	return live_read(args);
}
CR_PLUGIN_REGISTER_HOOK(CR_PLUGIN_HOOK__READ_MEM, frazil_read_mem)
