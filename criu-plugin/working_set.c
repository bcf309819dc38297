// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>

#include "file.h"
#include "ranges.h"
#include "working_set.h"
#include "working_set.pb-c.h"

/* A range takes some 5 bytes, and 4 GiB of memory has a million pages. */
#define WORKING_SET_MAX_BYTES (512ul << 20)

static int ranges_of(const FrazilRanges *r, struct run_set *set)
{
	struct range_code code;

	if (!r)
		return 0;
	if (r->n_gap != r->n_pages || r->n_gap != r->n_state)
		return -EPROTO;
	code = (struct range_code){ r->gap, r->pages, r->state, r->n_gap };
	return ranges_decode(&code, set);
}

/* What was read, into *@ws. Returns 0, -EPROTO or -ENOMEM. */
static int tasks_of(const FrazilWorkingSet *file, struct working_set *ws)
{
	int ret = 0;
	size_t i;

	ws->tasks = calloc(file->n_tasks + 1, sizeof(*ws->tasks));
	if (!ws->tasks)
		return -ENOMEM;
	for (i = 0; i < file->n_tasks && !ret; i++) {
		const FrazilTaskSet *from = file->tasks[i];
		struct task_set *t = &ws->tasks[ws->nr++];

		t->pid = from->pid;
		t->ns_pid = from->ns_pid;
		t->start_time = from->start_time;
		t->told = from->told;
		ret = ranges_of(from->known, &t->known);
		if (!ret)
			ret = ranges_of(from->untracked, &t->untracked);
	}
	return ret;
}

/*
 * Reads the working set file of the images directory @dir_fd into *@ws, to be freed
 * with working_set_fini().
 *
 * Returns 0; -ENOENT when there is none; -EPROTO when it is damaged or of another
 * version; another -errno. Nothing has to be freed after an error.
 */
int working_set_read(int dir_fd, struct working_set *ws)
{
	FrazilWorkingSet *file;
	uint8_t *buf;
	size_t len;
	int ret;

	*ws = (struct working_set){};
	ret = file_read(dir_fd, WORKING_SET_FILE, WORKING_SET_MAX_BYTES, &buf, &len);
	if (ret)
		return ret;
	file = frazil_working_set__unpack(NULL, len, buf);
	free(buf);
	if (!file)
		return -EPROTO;
	ret = file->version == WORKING_SET_VERSION ? tasks_of(file, ws) : -EPROTO;
	frazil_working_set__free_unpacked(file, NULL);
	if (ret)
		working_set_fini(ws);
	return ret;
}

/* One task on its way to the file, with what it points to. */
struct packing {
	FrazilTaskSet task;
	FrazilRanges known, untracked;
	struct range_code code[2];
};

static int pack_ranges(const struct run_set *set, struct range_code *code, FrazilRanges *r)
{
	int ret = ranges_encode(set, code);

	frazil_ranges__init(r);
	if (ret)
		return ret;
	r->gap = code->gap;
	r->pages = code->pages;
	r->state = code->state;
	r->n_gap = r->n_pages = r->n_state = code->nr;
	return 0;
}

static int pack_task(const struct task_set *t, struct packing *p)
{
	int ret;

	frazil_task_set__init(&p->task);
	p->task.pid = t->pid;
	p->task.ns_pid = t->ns_pid;
	p->task.start_time = t->start_time;
	p->task.told = t->told;
	if (!t->told)
		return 0;
	ret = pack_ranges(&t->known, &p->code[0], &p->known);
	if (!ret)
		ret = pack_ranges(&t->untracked, &p->code[1], &p->untracked);
	p->task.known = &p->known;
	p->task.untracked = &p->untracked;
	return ret;
}

static int write_packed(int dir_fd, FrazilTaskSet **tasks, size_t nr)
{
	FrazilWorkingSet file = FRAZIL_WORKING_SET__INIT;
	uint8_t *buf;
	size_t len;
	int ret;

	file.version = WORKING_SET_VERSION;
	file.tasks = tasks;
	file.n_tasks = nr;
	len = frazil_working_set__get_packed_size(&file);
	buf = malloc(len);
	if (!buf)
		return -ENOMEM;
	frazil_working_set__pack(&file, buf);
	/* Tasks are stopped meanwhile, and a hint is not worth waiting for the disk. */
	ret = file_replace(dir_fd, WORKING_SET_FILE, buf, len, false);
	free(buf);
	return ret;
}

/*
 * Writes the working set file of the images directory @dir_fd: whole, or not at all.
 *
 * Returns 0 or -errno.
 */
int working_set_write(int dir_fd, const struct working_set *ws)
{
	struct packing *packing = calloc(ws->nr + 1, sizeof(*packing));
	FrazilTaskSet **tasks = calloc(ws->nr + 1, sizeof(*tasks));
	int ret = packing && tasks ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; i < ws->nr && !ret; i++) {
		ret = pack_task(&ws->tasks[i], &packing[i]);
		tasks[i] = &packing[i].task;
	}
	if (!ret)
		ret = write_packed(dir_fd, tasks, ws->nr);
	for (i = 0; packing && i < ws->nr; i++) {
		range_code_fini(&packing[i].code[0]);
		range_code_fini(&packing[i].code[1]);
	}
	free(tasks);
	free(packing);
	return ret;
}

void working_set_fini(struct working_set *ws)
{
	size_t i;

	for (i = 0; i < ws->nr; i++) {
		run_set_fini(&ws->tasks[i].known);
		run_set_fini(&ws->tasks[i].untracked);
	}
	free(ws->tasks);
	*ws = (struct working_set){};
}
