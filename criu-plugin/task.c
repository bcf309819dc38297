// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A round begins when a task's pages are armed and ends when they are asked. The
 * answer "not written" means: not written since the images of that time were made.
 * It may only be believed if the parent images are those, so each round has a random
 * id that is kept both in the images and by the keeper, and has to match. Whatever
 * goes wrong in between, a crash, a full disk, a pre-dump that failed, other parent
 * images, leaves two ids that differ, and everything is dumped.
 *
 * Asking is one walk over the mappings. For each of them:
 *
 *	is it tracked?	the kernel says so: it is registered. New mappings are not, nor
 *			those that mremap() moved.
 *	register	a no-op if it is; EBUSY if it is somebody else's: left alone.
 *	scan		"written" of the last round is read, and reset at once if the
 *			tracker can.
 *
 * Then "written" is reset if it was not, and another walk protects all pages to see
 * which are used: last, since what was written is what must not be missed.
 *
 * The last dump of a task only asks. So it can fail and be repeated.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "image.h"

#include "host.h"
#include "inject.h"
#include "keeper.h"
#include "proc.h"
#include "task.h"

#ifndef FRAZILD
#define FRAZILD "/usr/libexec/frazil/frazild"
#endif

static_assert(sizeof(((struct task *)0)->round) == ROUND_ID_BYTES, "one round id, one size");

/* Before criu has read smaps it knows the size of huge pages only, from the device of the file behind them. */
bool vma_is_hugetlb(const struct cr_plugin_vma *vma)
{
	return vma->flags & (MAP_HUGETLB | MAP_HUGE_MASK << MAP_HUGE_SHIFT);
}

/* Whether the task may have asked for something to be read into its memory that is not there yet. */
bool has_aio(const struct cr_plugin_vma *vmas, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (vmas[i].status & VMA_AREA_AIORING)
			return true;
	return false;
}

/*
 * Why a mapping is never tracked, or NULL. Its pages count as written and hot.
 *
 * Not file-private mappings: MADV_DONTNEED leaves a marker there that reads as an
 * unwritten page of which the content is gone. Not unreadable ones: criu's pre-dump
 * may skip them, and the page would be missing in the parent images.
 */
const char *vma_refusal(const struct cr_plugin_vma *vma)
{
	if (!(vma->status & VMA_AREA_REGULAR))
		return "special mapping";
	if (vma->status & (VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL | VMA_AREA_AIORING | VMA_AREA_SYSVIPC |
			   VMA_AREA_SOCKET | VMA_AREA_SHSTK))
		return "special mapping";
	if (vma_is_hugetlb(vma))
		return "hugetlb";
	if (vma->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED))
		return "file mapping";
	if (!(vma->status & VMA_ANON_PRIVATE))
		return "shared memory";
	if (!(vma->prot & PROT_READ))
		return "not readable";
	return NULL;
}

static bool nobody_listens(int sock)
{
	return sock == -ENOENT || sock == -ECONNREFUSED;
}

/* Connects to the keeper; with @start it is started if none is running. Returns a socket or -errno. */
static int keeper_get(bool start)
{
	char *argv[] = { "frazild", NULL };
	int sock = keeper_connect();

	if (!start || !nobody_listens(sock))
		return sock;
	if (host_run(FRAZILD, argv))
		return -ECHILD;
	/* It ends at once where there is one already. */
	sock = keeper_connect();
	return nobody_listens(sock) ? -EALREADY : sock;
}

/* To be called while tasks still run: starting it takes longer than to freeze some. */
void task_start_keeper(void)
{
	int keeper = keeper_get(true);

	/* If there is none, that is said when it is wanted. */
	if (keeper >= 0)
		close(keeper);
}

/* The userfaultfd that the keeper has of the task, or -1; and what is known of its round. */
static int ask_keeper(int keeper, struct task *t, struct keeper_msg *msg)
{
	const struct tracker *with;
	int uffd, ret;

	*msg = (struct keeper_msg){ .op = KEEPER_GET, .pid = t->pid, .start_time = t->start_time };
	ret = keeper_call(keeper, msg, -1, &uffd);
	if (ret && ret != -ENOENT)
		log_warn("the keeper does not answer for %d: %s\n", t->pid, keeper_strerror(ret));
	if (ret)
		return -1;
	msg->tracker[sizeof(msg->tracker) - 1] = '\0';
	with = tracker_find(msg->tracker);
	t->soft_dirty_lost |= with && with->reset;
	return uffd;
}

/* The task's userfaultfd from the keeper, if it is this tracker's, or -1; and what is known of its round. */
static int fetch_uffd(int keeper, struct task *t, const struct tracker *tracker, struct keeper_msg *msg)
{
	struct keeper_msg drop = { .op = KEEPER_DROP, .pid = t->pid, .start_time = t->start_time };
	int uffd = ask_keeper(keeper, t, msg);

	if (uffd < 0 || !strcmp(msg->tracker, tracker->name))
		return uffd;

	/* As long as it is open, its mappings cannot be registered with another. */
	log_info("%d: tracked with %s until now\n", t->pid, msg->tracker);
	keeper_call(keeper, &drop, -1, NULL);
	close(uffd);
	return -1;
}

/* Whether @uffd belongs to the mm of a task. One mapping with a page in it tells. */
static bool uffd_is_of(int uffd, const struct tracker *tracker, int pagemap, const struct cr_plugin_track_mem *args)
{
	size_t i;

	for (i = 0; i < args->nr_vmas; i++) {
		const struct cr_plugin_vma *vma = &args->vmas[i];
		int ret = vma_refusal(vma) ? -1 : tracker->is_of(uffd, pagemap, vma->start, vma->end);

		if (ret >= 0)
			return ret;
	}
	return false;
}

/*
 * The userfaultfd that the task got when a tracked one forked it, or -1. It is the
 * keeper's until it is known whose it is, and has to be found: nothing else can be
 * registered where it is.
 */
static int claim_fork(int keeper, const struct task *t, const struct tracker *tracker, int pagemap,
		      const struct cr_plugin_track_mem *args, struct keeper_msg *found)
{
	struct keeper_msg ask = { .op = KEEPER_FORKS }, msg;
	int uffd = -1, ret;

	ret = keeper_ask(keeper, &ask, -1);
	while (!ret) {
		int one;

		ret = keeper_next(keeper, &msg, &one);
		if (ret)
			break;
		if (uffd < 0 && !strncmp(msg.tracker, tracker->name, sizeof(msg.tracker)) &&
		    uffd_is_of(one, tracker, pagemap, args)) {
			uffd = one;
			*found = msg;
		} else {
			close(one);
		}
	}
	if (uffd < 0)
		return -1;
	ask = (struct keeper_msg){
		.op = KEEPER_CLAIM,
		.pid = t->pid,
		.start_time = t->start_time,
		.fork_id = found->fork_id,
	};
	ret = keeper_call(keeper, &ask, -1, NULL);
	if (!ret) {
		log_info("%d: tracked since it was forked\n", t->pid);
		return uffd;
	}
	close(uffd);
	return -1;
}

static int store_uffd(int keeper, const struct task *t, const struct tracker *tracker, int uffd)
{
	struct keeper_msg msg = {
		.op = KEEPER_PUT,
		.pid = t->pid,
		.start_time = t->start_time,
		.since_s = time(NULL),
	};

	if (t->protected)
		msg.flags |= KEPT_TELLS_USED;
	memcpy(msg.round, t->round, sizeof(msg.round));
	snprintf(msg.tracker, sizeof(msg.tracker), "%s", tracker->name);
	return keeper_call(keeper, &msg, uffd, NULL);
}

static int make_uffd(const struct tracker *tracker, const struct cr_plugin_track_mem *args)
{
	int ret, uffd = inject_userfaultfd(args->pid, args->syscall_ip);

	if (uffd < 0)
		return uffd;
	ret = tracker_open(tracker, uffd);
	if (ret) {
		close(uffd);
		return ret;
	}
	return uffd;
}

/*
 * Asks one mapping. Returns whether some of its pages look as if they were not written, or it is not known
 * which. Errors cost precision only.
 */
static bool ask_vma(struct task *t, const struct tracker *tracker, int pagemap, const struct cr_plugin_vma *vma,
		    bool arm, bool asked)
{
	struct findings found = { .known = asked ? &t->known : NULL, .seen = &t->seen };
	struct page_counts *counts = &found.counts;
	bool clean;
	int ret;

	ret = tracker->scan(pagemap, vma->start, vma->end, arm, &found);
	clean = ret || counts->written < counts->scanned;
	if (!ret)
		ret = run_set_add(&t->covered, vma->start, vma->end, 0);
	if (ret)
		log_warn("%d: cannot scan %#lx-%#lx: %s; taken as written\n", t->pid, (long)vma->start, (long)vma->end,
			 strerror(-ret));
	if (!asked) {
		counts->written = counts->hot = counts->scanned;
		counts->cold = 0;
	}
	t->counts.scanned += counts->scanned;
	t->counts.written += counts->written;
	t->counts.hot += counts->hot;
	t->counts.cold += counts->cold;
	return clean;
}

/*
 * Arms a mapping of which some pages look protected, and may not be. When mremap() merges memory with what is
 * registered, the kernel may forget all of that (seen on Linux 6.18), and leaves the marks of its
 * pages; so it does in a child whose parent's userfaultfd is closed during fork(). A scan does not protect
 * those that have one; the end of being registered takes it off.
 */
static void arm_anew(const struct task *t, const struct tracker *tracker, int uffd, int pagemap,
		     const struct cr_plugin_vma *vma)
{
	struct findings found = {};
	int ret;

	log_debug("%d: %#lx-%#lx is armed anew\n", t->pid, (long)vma->start, (long)vma->end);
	tracker_unregister(uffd, vma->start, vma->end);
	ret = tracker_register(tracker, uffd, vma->start, vma->end)
		      ?: tracker->scan(pagemap, vma->start, vma->end, true, &found);
	if (!ret)
		return;
	tracker_unregister(uffd, vma->start, vma->end);
	log_warn("%d: cannot track %#lx-%#lx: %s; taken as written\n", t->pid, (long)vma->start, (long)vma->end,
		 strerror(-ret));
}

/*
 * A mapping that was tracked and is refused now may be missing in the images that are
 * being made. It must not look clean when it is tracked again.
 */
static void forget_vma(const struct tracker *tracker, int uffd, int pagemap, const struct cr_plugin_vma *vma)
{
	if (tracker->is_tracked(pagemap, vma->start, vma->end) > 0)
		tracker_unregister(uffd, vma->start, vma->end);
}

/* How many mappings were refused for each reason. One line, since there may be thousands. */
struct refusals {
	const char *reason[8];
	unsigned int nr[8];
};

static void count_refusal(struct refusals *r, const char *reason)
{
	size_t i;

	for (i = 0; i < sizeof(r->nr) / sizeof(*r->nr); i++) {
		if (r->nr[i] && strcmp(r->reason[i], reason))
			continue;
		r->reason[i] = reason;
		r->nr[i]++;
		return;
	}
}

static void log_refusals(int pid, const struct refusals *r)
{
	char text[200] = "";
	size_t i, len = 0;

	for (i = 0; i < sizeof(r->nr) / sizeof(*r->nr) && r->nr[i] && len < sizeof(text); i++)
		len += snprintf(text + len, sizeof(text) - len, "%s%u %s", i ? ", " : "", r->nr[i], r->reason[i]);
	if (len)
		log_debug("%d: mappings that are not tracked: %s\n", pid, text);
}

/*
 * Asks all mappings, and marks in @tracked those that are tracked from now on. Returns
 * 0, or -ESTALE when @uffd turns out to belong to another mm, or nothing shows that it
 * does not: the task has called execve().
 */
static int ask_task(struct task *t, const struct tracker *tracker, int uffd, int pagemap,
		    const struct cr_plugin_track_mem *args, bool *tracked)
{
	struct refusals refusals = {};
	bool verified = false;
	size_t i;

	for (i = 0; i < args->nr_vmas; i++) {
		const struct cr_plugin_vma *vma = &args->vmas[i];
		const char *reason = vma_refusal(vma);
		bool asked, clean;
		int ret;

		t->vmas_untracked++;
		asked = !reason && (t->has_parent || t->tells_used) &&
			tracker->is_tracked(pagemap, vma->start, vma->end) > 0;
		/* Left out, a mapping is taken for one that was asked: a hint that is less exact. */
		if (!asked)
			run_set_add(&t->untracked, vma->start, vma->end, 0);
		if (reason) {
			count_refusal(&refusals, reason);
			if (args->runs_on)
				forget_vma(tracker, uffd, pagemap, vma);
			continue;
		}
		if (!asked && !args->runs_on)
			continue;
		ret = tracker_register(tracker, uffd, vma->start, vma->end);
		if (!ret && !verified) {
			int is_tracked = tracker->is_tracked(pagemap, vma->start, vma->end);

			verified = is_tracked > 0;
			if (!is_tracked)
				ret = -ESTALE;
		}
		if (!verified && (ret == -ESRCH || ret == -ENOMEM || ret == -ESTALE))
			return -ESTALE;
		if (ret) {
			count_refusal(&refusals,
				      ret == -EBUSY ? "with a userfaultfd of the task's own" : strerrordesc_np(-ret));
			continue;
		}
		t->vmas_untracked--;
		t->vmas_tracked++;
		tracked[i] = true;
		clean = ask_vma(t, tracker, pagemap, vma, args->runs_on, asked);
		/* What was asked has been armed, as a whole, by a round that came to its end. */
		if (clean && !(asked && t->has_parent) && args->runs_on && !tracker->reset)
			arm_anew(t, tracker, uffd, pagemap, vma);
	}

	log_refusals(t->pid, &refusals);

	/*
	 * A last dump asks what is tracked only. When that is nothing, this is not the memory that
	 * was, and what criu does not ask about, as the vdso, must not be left to parent images.
	 */
	return verified || args->runs_on ? 0 : -ESTALE;
}

/*
 * Begins a round. The keeper knows that before anything is armed, which forgets what the last
 * round found: if this one comes to nothing, that must not be believed any more.
 */
static int begin_round(struct task *t, const struct tracker *tracker, int keeper, int uffd)
{
	if (getrandom(t->round, sizeof(t->round), 0) != sizeof(t->round))
		return -EIO;
	/* When all of it is going to be read, there would be nothing to learn. */
	t->protected = tracker->protect && (t->has_parent || !tracker->reads_are_use);
	return store_uffd(keeper, t, tracker, uffd);
}

/* Arms all mappings that are @tracked, which have been asked. */
static int arm_task(struct task *t, const struct tracker *tracker, int uffd, int pagemap,
		    const struct cr_plugin_track_mem *args, const bool *tracked)
{
	bool pinned = tracker->unmark_pinned && has_aio(args->vmas, args->nr_vmas);
	int ret = tracker->reset ? tracker->reset(t->pid) : 0;
	size_t i;

	if (ret || !t->protected)
		return ret;
	for (i = 0; i < args->nr_vmas; i++) {
		const struct cr_plugin_vma *vma = &args->vmas[i];

		if (!tracked[i])
			continue;
		ret = tracker->protect(uffd, vma->start, vma->end);
		if (ret)
			log_warn("%d: cannot protect %#lx-%#lx: %s; taken as used\n", t->pid, (long)vma->start,
				 (long)vma->end, strerror(-ret));
		if (!pinned || (!ret && !tracker->unmark_pinned(uffd, pagemap, vma->start, vma->end)))
			continue;
		log_warn("%d: devices may write to %#lx-%#lx: taken as written\n", t->pid, (long)vma->start,
			 (long)vma->end);
		tracker_unregister(uffd, vma->start, vma->end);
	}
	return 0;
}

/* Ends a round and, if the task runs on, begins the next. */
static int walk_task(struct task *t, const struct tracker *tracker, int keeper, int uffd, int pagemap,
		     const struct cr_plugin_track_mem *args)
{
	bool *tracked = calloc(args->nr_vmas, sizeof(*tracked));
	int ret;

	if (!tracked)
		return -ENOMEM;
	ret = args->runs_on ? begin_round(t, tracker, keeper, uffd) : 0;
	if (!ret)
		ret = ask_task(t, tracker, uffd, pagemap, args, tracked);
	if (!ret && args->runs_on)
		ret = arm_task(t, tracker, uffd, pagemap, args, tracked);
	free(tracked);
	return ret;
}

/* Whether what is @kept began with the parent images, and what it tells then. */
static void believe(struct task *t, const struct keeper_msg *kept, const FrazilRounds *parent)
{
	const FrazilTask *p = rounds_find(parent, t->pid, t->start_time);

	t->has_parent = p && p->has_round && p->round.len == ROUND_ID_BYTES &&
			!memcmp(p->round.data, kept->round, ROUND_ID_BYTES);
	t->tells_used = t->has_parent && p->tells_used;
}

/*
 * Gets hold of the task's userfaultfd: the keeper's, or a new one when the task
 * runs on. Decides whether what the last round found may be believed.
 *
 * Returns the descriptor or -errno; -ENOENT when there is nothing to ask.
 */
static int get_uffd(struct task *t, const struct tracker *tracker, int keeper, int pagemap, const FrazilRounds *parent,
		    const struct cr_plugin_track_mem *args)
{
	struct keeper_msg kept;
	int uffd = keeper < 0 ? -1 : fetch_uffd(keeper, t, tracker, &kept);

	if (uffd >= 0) {
		believe(t, &kept, parent);
	} else if (keeper >= 0) {
		/* The images know nothing of it, but what it used since can be told. */
		uffd = claim_fork(keeper, t, tracker, pagemap, args, &kept);
		t->tells_used = uffd >= 0 && (kept.flags & KEPT_TELLS_USED);
		if (uffd >= 0)
			return uffd;
	}
	if (rounds_find(parent, t->pid, t->start_time) && !t->has_parent)
		log_warn("%d: %s; all of its memory is dumped\n", t->pid,
			 uffd < 0 ? "not tracked since the parent images (was the keeper killed?)"
				  : "tracked relative to other images than the parent ones");
	if (uffd >= 0 && (t->has_parent || args->runs_on))
		return uffd;
	if (uffd >= 0)
		close(uffd);
	return args->runs_on ? make_uffd(tracker, args) : -ENOENT;
}

/* Nothing is known of the task: all of its memory is written. */
static void task_forget(struct task *t)
{
	task_fini(t);
	t->has_parent = t->tells_used = t->protected = false;
	t->counts = (struct page_counts){};
	t->vmas_tracked = t->vmas_untracked = 0;
}

/* walk_task(), once more with a new userfaultfd if *@uffd is of a mm that was left. */
static int walk_current(struct task *t, const struct tracker *tracker, int keeper, int pagemap, int *uffd,
			const struct cr_plugin_track_mem *args)
{
	int ret = walk_task(t, tracker, keeper, *uffd, pagemap, args);

	if (ret != -ESTALE)
		return ret;

	log_info("%d: runs another program now\n", t->pid);
	close(*uffd);
	*uffd = -1;
	task_forget(t);
	if (!args->runs_on)
		return -ENOENT;
	*uffd = make_uffd(tracker, args);
	if (*uffd < 0)
		return *uffd;
	return walk_task(t, tracker, keeper, *uffd, pagemap, args);
}

/*
 * What becomes of a task that cannot be tracked now, because of @error. Soft-dirty bits, by
 * which criu's own tracking goes, say nothing if they may have been reset since the parent
 * images: by a tracker that needs them, in a round that came to nothing, say; or if Frazil
 * had a hand in those, as then criu did not reset them. So all of its memory is dumped.
 *
 * Returns 0 or -ENOTSUP, as task_track() does.
 */
static int give_up(struct task *t, int error)
{
	task_forget(t);
	if (error != -ENOENT)
		log_warn("%d: cannot be tracked: %s; %s\n", t->pid, keeper_strerror(error),
			 t->soft_dirty_lost ? "all of its memory is dumped" : "criu's own tracking is used");
	return t->soft_dirty_lost ? 0 : -ENOTSUP;
}

/* When memory is not to be tracked: what was done to the task when it was. Returns why give_up() is called. */
static int look_back(struct task *t)
{
	struct keeper_msg msg;
	int keeper = keeper_get(false), uffd = keeper < 0 ? -1 : ask_keeper(keeper, t, &msg);

	if (uffd >= 0)
		close(uffd);
	if (keeper >= 0)
		close(keeper);
	return t->soft_dirty_lost ? -EOPNOTSUPP : -ENOENT;
}

/*
 * Ends the last round of a stopped task and, if it runs on, begins the next.
 * @parent: rounds file of the parent images, or NULL.
 *
 * @tracker: NULL where there is none.
 *
 * Returns 0 when @t says what is known, which is nothing if it cannot be tracked, and is not
 * armed then; -ENOTSUP, with the reason logged, when the task is not tracked and criu's own
 * tracking has to do.
 */
int task_track(struct task *t, const struct tracker *tracker, const FrazilRounds *parent,
	       const struct cr_plugin_track_mem *args)
{
	int keeper = -1, pagemap = -1, uffd = -1, ret;

	t->pid = args->pid;
	ret = task_start_time(t->pid, &t->start_time);
	t->soft_dirty_lost = rounds_find(parent, t->pid, t->start_time);
	if (!ret && !tracker)
		ret = look_back(t);
	if (!ret && args->runs_on && tracker->misses_dma && has_aio(args->vmas, args->nr_vmas)) {
		log_info("%d: it uses asynchronous I/O, and %s does not notice what devices write\n", t->pid,
			 tracker->name);
		ret = -EOPNOTSUPP;
	}
	if (ret)
		goto out;
	ret = keeper = keeper_get(args->runs_on);
	/* When nothing is to be kept, a keeper that is not there is one that keeps nothing. */
	if (keeper < 0 && (args->runs_on || !nobody_listens(keeper)))
		goto out;
	ret = pagemap = proc_open(t->pid, "pagemap", O_RDONLY);
	if (pagemap < 0)
		goto out;
	ret = uffd = get_uffd(t, tracker, keeper, pagemap, parent, args);
	if (uffd < 0)
		goto out;
	ret = walk_current(t, tracker, keeper, pagemap, &uffd, args);
	t->armed = !ret && args->runs_on;
out:
	if (uffd >= 0)
		close(uffd);
	if (pagemap >= 0)
		close(pagemap);
	if (keeper >= 0)
		close(keeper);
	if (ret >= 0)
		return 0;
	/* Whatever the keeper knows: it may have been killed since. Nobody tracks a 32-bit task, though. */
	t->soft_dirty_lost |= tracker && tracker->reset && ret != -EOPNOTSUPP;
	return give_up(t, ret);
}

void task_fini(struct task *t)
{
	run_set_fini(&t->known);
	run_set_fini(&t->untracked);
	run_set_fini(&t->covered);
	run_set_fini(&t->seen);
}

/*
 * Has the keeper give up the userfaultfd of a tracked task, for a while. @kept: what
 * task_keep_tracking() needs. When the descriptor is closed instead, tracking has ended.
 *
 * Returns the descriptor or -errno; -ENOENT when the task is not tracked.
 */
int task_take_tracking(int pid, uint64_t start_time, struct keeper_msg *kept)
{
	struct keeper_msg drop = { .op = KEEPER_DROP, .pid = pid, .start_time = start_time };
	int uffd = -1, ret, keeper = keeper_connect();

	if (keeper < 0)
		return keeper == -ECONNREFUSED ? -ENOENT : keeper;
	*kept = (struct keeper_msg){ .op = KEEPER_GET, .pid = pid, .start_time = start_time };
	ret = keeper_call(keeper, kept, -1, &uffd);
	if (!ret)
		ret = keeper_call(keeper, &drop, -1, NULL);
	close(keeper);
	if (ret && uffd >= 0)
		close(uffd);
	return ret ?: uffd;
}

/* Gives back what task_take_tracking() returned; the caller closes its own @uffd. Returns 0 or -errno. */
int task_keep_tracking(const struct keeper_msg *kept, int uffd)
{
	struct keeper_msg msg = *kept;
	int ret, keeper = keeper_get(true);

	if (keeper < 0)
		return keeper;
	msg.op = KEEPER_PUT;
	ret = keeper_call(keeper, &msg, uffd, NULL);
	close(keeper);
	if (ret)
		log_warn("%d: the keeper does not take it back: %s; the next dump will be a full one\n", msg.pid,
			 keeper_strerror(ret));
	return ret;
}

/*
 * Makes room for another userfaultfd in a task: ends its tracking, if there is any, with
 * @force. Returns 0; -EBUSY when it is tracked and stays so; another -errno.
 */
int task_forget_tracking(int pid, uint64_t start_time, bool force)
{
	struct keeper_msg kept;
	int uffd = task_take_tracking(pid, start_time, &kept), ret = 0;

	if (uffd == -ENOENT)
		return 0;
	if (uffd < 0)
		return uffd;
	if (force)
		log_info("%d: not tracked any more; the next dump will be a full one\n", pid);
	else
		ret = task_keep_tracking(&kept, uffd) ?: -EBUSY;
	close(uffd);
	return ret;
}
