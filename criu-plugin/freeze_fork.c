// SPDX-License-Identifier: GPL-2.0-only
/*
 * Freezing with fork(): the task is made to clone itself while it is stopped, and the
 * child, which shares its pages until one of them is written to, only closes its files. It is
 * what is read. Whatever the task does then, even exit, the child has the memory.
 *
 * Not in the child: mappings with MADV_DONTFORK, contents of those with MADV_WIPEONFORK,
 * AIO rings, and the code that was at the place of the injected system call. The last is
 * written back, the others are not present in its page tables and hence copied.
 *
 * What the child has can be taken from it in one way: who truncates a file takes the pages of
 * private mappings of it, too, from all processes. They are counted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clone.h"
#include "freezer.h"
#include "host.h"
#include "image.h"
#include "live.h"
#include "page.h"
#include "proc.h"
#include "reaper.h"
#include "task.h"

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

/* The size of all mappings of a task, in pages; or -1. */
static long long mapped_pages(int pid)
{
	long long pages = -1;
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%lld", &pages) != 1)
		pages = -1;
	fclose(f);
	return pages;
}

/*
 * Why criu cannot learn from the child what there is in the task; NULL if it can. None of
 * this takes longer for larger mappings.
 */
static const char *child_lacks(const struct frozen *f)
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
	if (f->clone->locked)
		return "which mappings are locked";
	if (mapped_pages(f->args.pid) != mapped_pages(f->clone->child))
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
	const struct cr_plugin_vma *vmas = f->args.vmas;
	size_t i;

	*pages = 0;
	for (i = 0; i < f->args.nr_vmas; i++) {
		uint64_t start = vmas[i].start, nr;
		int ret;

		if (!(vmas[i].status & VMA_FILE_PRIVATE))
			continue;
		/* Those of a library are one after the other. */
		while (i + 1 < f->args.nr_vmas && vmas[i + 1].start == vmas[i].end &&
		       (vmas[i + 1].status & VMA_FILE_PRIVATE))
			i++;
		ret = scan_matching(f->pagemap, start, vmas[i].end, &changed, NULL, &nr);
		if (ret)
			return ret;
		*pages += nr;
	}
	return 0;
}

static int ready_fork(struct frozen *f)
{
	return clone_ready(f->clone);
}

static int verify_fork(const struct frozen *f)
{
	uint64_t pages;
	int ret = count_private(f, &pages);

	return ret ?: pages == f->private_pages ? 0 : -ESTALE;
}

static void end_fork(struct frozen *f)
{
	if (f->clone)
		clone_free(f->clone);
	f->clone = NULL;
	f->mem = f->pagemap = -1;
}

static int begin_fork(struct frozen *f)
{
	const struct clone_wish wish = {
		.pid = f->args.pid,
		.syscall_ip = f->args.syscall_ip,
		.bytes = f->listed ? f->bytes : 0,
		.cgroup_frozen = f->cgroup_frozen,
		.asked = f->asked,
	};

	return clone_begin(&wish, &f->clone);
}

static int make_clone(struct frozen *f)
{
	int ret = f->clone ? 0 : begin_fork(f);

	if (!ret)
		ret = clone_finish(f->clone);
	if (ret) {
		end_fork(f);
		return ret;
	}
	f->mem = f->clone->mem;
	f->pagemap = f->clone->pagemap;
	return 0;
}

static int freeze_fork(struct frozen *f)
{
	const char *lacks;
	size_t i;
	int ret;

	ret = make_clone(f);
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
	lacks = child_lacks(f);
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
	.begin = begin_fork,
	.freeze = freeze_fork,
	.frozen = { .anyof = PAGE_IS_PRESENT | PAGE_IS_SWAPPED },
	/* clone() copies a mapping, or does not (MADV_DONTFORK, MADV_WIPEONFORK), or fails. */
	.whole = true,
	.ready = ready_fork,
	.verify = verify_fork,
	.end = end_fork,
};
