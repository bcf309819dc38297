// SPDX-License-Identifier: GPL-2.0-only
/*
 * frazil working-set: which memory tasks used, page by page. The file beside the images
 * has what was asked of the kernel; the pagemaps say which pages there are at all.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "pagemap.h"
#include "ranges.h"
#include "working_set.h"

/* Where the answer comes from. */
enum source {
	SRC_FILE,
	SRC_FIRST_ROUND, /* the file, and it says that nothing was known yet */
	SRC_FLAGS,
};

static const char *const source_names[] = {
	[SRC_FILE] = "working-set",
	[SRC_FIRST_ROUND] = "first-round",
	[SRC_FLAGS] = "pagemap",
};

struct show {
	const char *dir;
	int dir_fd;
	int only_pid; /* 0: all */
	bool json;
	int shown;
};

static int report_error(const struct show *s, const char *name, const char *why)
{
	fprintf(stderr, "frazil: %s/%s: %s\n", s->dir, name, why);
	return -1;
}

static double mib(uint64_t pages)
{
	return pages * (double)PAGE_BYTES / (1 << 20);
}

static void print_range(const struct run *r, enum source source, char *text, size_t len)
{
	snprintf(text, len, "%s%s%s", r->state & RANGE_USED ? "hot" : "cold",
		 r->state & RANGE_WRITTEN ? " written" : "",
		 source == SRC_FILE && !(r->state & RANGE_TRACKED) ? " (not tracked)" : "");
}

static void print_text(int pid, const struct run_set *runs, enum source source)
{
	struct range_counts c = ranges_count(runs);
	char text[48];
	size_t i;

	if (source == SRC_FIRST_ROUND) {
		printf("task %d: %" PRIu64 " pages; the first round, nothing is known of them yet\n", pid, c.pages);
		return;
	}
	printf("task %d: %" PRIu64 " pages, %" PRIu64 " hot (%.1f MiB), %" PRIu64 " cold (%.1f MiB)", pid, c.pages,
	       c.hot, mib(c.hot), c.cold, mib(c.cold));
	if (source == SRC_FILE)
		printf(", %" PRIu64 " written", c.written);
	printf("\n");
	for (i = 0; i < runs->nr; i++) {
		const struct run *r = &runs->v[i];

		print_range(r, source, text, sizeof(text));
		printf("  %016" PRIx64 "-%016" PRIx64 " %9" PRIu64 "  %s\n", r->start, r->end,
		       (r->end - r->start) / (uint64_t)PAGE_BYTES, text);
	}
}

static const char *json_bool(bool b)
{
	return b ? "true" : "false";
}

static void print_json(int pid, int host_pid, const struct run_set *runs, enum source source, bool first)
{
	struct range_counts c = ranges_count(runs);
	size_t i;

	printf("%s\n  {\"pid\": %d, ", first ? "" : ",", pid);
	if (host_pid)
		printf("\"host_pid\": %d, ", host_pid);
	printf("\"source\": \"%s\", \"pages\": %" PRIu64, source_names[source], c.pages);
	if (source == SRC_FIRST_ROUND) {
		printf("}");
		return;
	}
	printf(", \"hot\": %" PRIu64 ", \"cold\": %" PRIu64 ", \"hot_bytes\": %" PRIu64 ", \"cold_bytes\": %" PRIu64,
	       c.hot, c.cold, c.hot * (uint64_t)PAGE_BYTES, c.cold * (uint64_t)PAGE_BYTES);
	if (source == SRC_FILE)
		printf(", \"written\": %" PRIu64, c.written);
	printf(", \"ranges\": [");
	for (i = 0; i < runs->nr; i++) {
		const struct run *r = &runs->v[i];

		printf("%s\n    {\"start\": \"%#" PRIx64 "\", \"pages\": %" PRIu64 ", \"used\": %s", i ? "," : "",
		       r->start, (r->end - r->start) / (uint64_t)PAGE_BYTES, json_bool(r->state & RANGE_USED));
		if (source == SRC_FILE)
			printf(", \"written\": %s, \"tracked\": %s", json_bool(r->state & RANGE_WRITTEN),
			       json_bool(r->state & RANGE_TRACKED));
		printf("}");
	}
	printf("]}");
}

/* @pid as in the images. @t: what the file says of it, or NULL. Returns 0 or -1. */
static int show_task(struct show *s, int pid, const struct task_set *t)
{
	enum source source = !t ? SRC_FLAGS : t->told ? SRC_FILE : SRC_FIRST_ROUND;
	static const struct run_set none;
	struct run_set runs = {};
	struct pagemap pm;
	const char *why;
	char name[48];
	int ret;

	snprintf(name, sizeof(name), "pagemap-%d.img", pid);
	if (pagemap_read(s->dir_fd, name, &pm, &why))
		return report_error(s, name, why);
	ret = t ? ranges_classify(&pm.map, t->told ? &t->known : &none, &t->untracked, &runs)
		: ranges_from_flags(&pm.map, &runs);
	if (ret)
		report_error(s, name, strerror(-ret));
	else if (s->json)
		print_json(pid, t ? t->pid : 0, &runs, source, !s->shown);
	else
		print_text(pid, &runs, source);
	s->shown++;
	run_set_fini(&runs);
	pagemap_fini(&pm);
	return ret ? -1 : 0;
}

static int show_file(struct show *s, const struct working_set *ws)
{
	int ret = 0;
	size_t i;

	for (i = 0; i < ws->nr; i++) {
		const struct task_set *t = &ws->tasks[i];

		if (!s->only_pid || s->only_pid == t->pid || s->only_pid == t->ns_pid)
			ret |= show_task(s, t->ns_pid, t);
	}
	return ret;
}

static int is_task(const struct dirent *d)
{
	struct pagemap_name of;

	return pagemap_parse_name(d->d_name, &of) && !of.shmem;
}

/* Without the file: what the images themselves say a lazy restore should do. */
static int show_flags(struct show *s)
{
	struct dirent **names;
	int nr = scandirat(s->dir_fd, ".", &names, is_task, versionsort), i, ret = 0;

	if (nr < 0)
		return report_error(s, ".", strerror(errno));
	fprintf(stderr,
		"frazil: there is no %s/" WORKING_SET_FILE "; told from the pagemaps: hot is what a lazy restore\n"
		"loads before the task runs, cold what it may leave for later\n",
		s->dir);
	for (i = 0; i < nr; i++) {
		struct pagemap_name of;

		pagemap_parse_name(names[i]->d_name, &of);
		if (!s->only_pid || (unsigned long)s->only_pid == of.id)
			ret |= show_task(s, of.id, NULL);
		free(names[i]);
	}
	free(names);
	return ret;
}

static int show_dir(struct show *s)
{
	struct working_set ws;
	int ret;

	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0) {
		fprintf(stderr, "frazil: %s: %s\n", s->dir, strerror(errno));
		return -1;
	}
	ret = working_set_read(s->dir_fd, &ws);
	if (ret && ret != -ENOENT) {
		ret = report_error(s, WORKING_SET_FILE,
				   ret == -EPROTO
					   ? "damaged, or written by another version. It is only a hint: without it, "
					     "this can be told from the pagemaps"
					   : strerror(-ret));
	} else {
		ret = ret ? show_flags(s) : show_file(s, &ws);
		if (!ret && !s->shown) {
			fprintf(stderr, "frazil: %s: no such task in these images\n", s->dir);
			ret = -1;
		}
		working_set_fini(&ws);
	}
	close(s->dir_fd);
	return ret;
}

static void usage(FILE *f)
{
	fputs("Usage: frazil working-set DIR [--pid PID] [--json]\n"
	      "\n"
	      "Of the images in DIR: which pages each task used (hot) and did not use (cold) since\n"
	      "the round before, which of them it wrote, and where they are. Memory that cannot be\n"
	      "tracked counts as used and written. Pages are 4 KiB; hot + cold = pages.\n"
	      "\n"
	      "  --pid PID  only this task, by its pid in the images or where criu ran\n"
	      "  --json     for programs\n"
	      "\n"
	      "The plugin writes this beside the images. Without it, the marks for a lazy restore\n"
	      "in the images are shown.\n",
	      f);
}

static int parse_pid(const char *arg)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(arg, &end, 10);
	return errno || *end || end == arg || pid <= 0 || pid > INT32_MAX ? -1 : pid;
}

int cmd_working_set(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "pid", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct show s = {};
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			s.json = true;
			break;
		case 'p':
			s.only_pid = parse_pid(optarg);
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc || s.only_pid < 0) {
		usage(stderr);
		return EXIT_USAGE;
	}
	s.dir = argv[optind];

	if (s.json)
		printf("[");
	ret = show_dir(&s);
	if (s.json)
		printf("\n]\n");
	return ret ? EXIT_NO : EXIT_OK;
}
