// SPDX-License-Identifier: GPL-2.0-only
/*
 * frazil status: what the keeper keeps, and what the kernel says of those pages right
 * now, which looking does not disturb; or, for an images directory, what was known when the
 * images were made.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "keeper.h"
#include "live.h"
#include "rounds.h"
#include "scan.h"
#include "tracker.h"

struct row {
	int pid;
	const char *name;
	const char *tracker;
	const char *since;
	bool told;	/* written is known */
	bool told_used; /* hot and cold are */
	struct page_counts counts;
};

static bool json;
static int rows;

static void print_header(void)
{
	if (json)
		printf("[");
	else
		printf("%7s %-16s %-11s %-20s %9s %9s %9s %9s\n", "PID", "NAME", "TRACKER", "SINCE", "PAGES", "WRITTEN",
		       "HOT", "COLD");
}

static void print_count(bool told, uint64_t pages)
{
	if (told)
		printf(" %9llu", (unsigned long long)pages);
	else
		printf(" %9s", "-");
}

static void print_row(const struct row *r)
{
	const struct page_counts *c = &r->counts;

	if (json) {
		printf("%s\n  {\"pid\": %d, \"name\": ", rows ? "," : "", r->pid);
		print_json_string(r->name);
		printf(", \"tracker\": \"%s\", \"since\": \"%s\", \"pages\": %llu", r->tracker, r->since,
		       (unsigned long long)c->scanned);
		if (r->told)
			printf(", \"written\": %llu", (unsigned long long)c->written);
		if (r->told_used)
			printf(", \"hot\": %llu, \"cold\": %llu", (unsigned long long)c->hot,
			       (unsigned long long)c->cold);
		printf("}");
	} else {
		printf("%7d %-16s %-11s %-20s", r->pid, r->name, r->tracker, r->since);
		print_count(true, c->scanned);
		print_count(r->told, c->written);
		print_count(r->told_used, c->hot);
		print_count(r->told_used, c->cold);
		printf("\n");
	}
	rows++;
}

static void task_name(int pid, char *name, size_t len)
{
	char path[32];
	FILE *f;

	snprintf(name, len, "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(name, len, f))
		name[strcspn(name, "\n")] = '\0';
	fclose(f);
}

/* Adds up what @t says of the mappings that are tracked. Returns 0 or -errno. */
static int count_task(int pid, const struct tracker *t, struct page_counts *counts)
{
	char path[32], *line = NULL;
	unsigned long start, end;
	struct findings found = {};
	int pagemap, ret = 0;
	size_t cap = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		ret = -errno;
	while (!ret && getline(&line, &cap, maps) >= 0)
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && t->is_tracked(pagemap, start, end) > 0)
			ret = t->scan(pagemap, start, end, false, &found);
	free(line);
	if (maps)
		fclose(maps);
	close(pagemap);
	*counts = found.counts;
	return ret;
}

static void show_task(const struct keeper_msg *msg)
{
	struct row row = { .pid = msg->pid, .tracker = msg->tracker };
	const struct tracker *t = tracker_find(msg->tracker);
	time_t since_s = msg->since_s;
	char name[32], since[32];
	struct tm tm;

	task_name(msg->pid, name, sizeof(name));
	strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&since_s, &tm));
	row.name = name;
	row.since = since;

	row.told = t && !count_task(msg->pid, t, &row.counts);
	row.told_used = row.told && t->tells_used;
	print_row(&row);
}

static int show_tracked(void)
{
	struct keeper_msg msg = { .op = KEEPER_LIST };
	int sock = keeper_connect(), ret;

	/* No keeper: nobody is tracked. */
	if (sock == -ENOENT || sock == -ECONNREFUSED)
		return EXIT_OK;
	if (sock < 0) {
		fprintf(stderr, "frazil: %s\n", keeper_strerror(sock));
		return EXIT_NO;
	}
	ret = keeper_ask(sock, &msg, -1);
	while (!ret) {
		ret = keeper_next(sock, &msg, NULL);
		if (!ret)
			show_task(&msg);
	}
	close(sock);
	if (ret == -ENOENT)
		return EXIT_OK;
	fprintf(stderr, "frazil: the keeper does not answer: %s\n", strerror(-ret));
	return EXIT_NO;
}

static void show_live(const FrazilLive *l)
{
	unsigned long long half = live_wait_us(l->waits, l->n_waits, l->wait_max_us, 50),
			   most = live_wait_us(l->waits, l->n_waits, l->wait_max_us, 99);

	if (json)
		printf("%s\n  {\"pid\": %d, \"live\": {\"freezer\": \"%s\", \"copied_frozen\": %llu, "
		       "\"copied_fault\": %llu, \"copied_behind\": %llu, \"faults\": %llu, \"wait_50_us\": %llu, "
		       "\"wait_99_us\": %llu, \"wait_max_us\": %llu}}",
		       rows++ ? "," : "", l->pid, l->freezer, (unsigned long long)l->copied_frozen,
		       (unsigned long long)l->copied_fault, (unsigned long long)l->copied_behind,
		       (unsigned long long)l->faults, half, most, (unsigned long long)l->wait_max_us);
	else
		printf("%7d ran on, frozen with %s: %llu pages copied while it was stopped, %llu because it wanted them, "
		       "%llu behind; it waited %llu times, half of them up to %llu us, 99 of 100 up to %llu us, all up "
		       "to %llu us\n",
		       l->pid, l->freezer, (unsigned long long)l->copied_frozen, (unsigned long long)l->copied_fault,
		       (unsigned long long)l->copied_behind, (unsigned long long)l->faults, half, most,
		       (unsigned long long)l->wait_max_us);
}

static int show_images(const char *dir)
{
	FrazilRounds *rounds;
	int fd, ret;
	size_t i;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = fd < 0 ? -errno : rounds_read(fd, ROUNDS_FILE, &rounds);
	if (fd >= 0)
		close(fd);
	if (ret) {
		fprintf(stderr, "frazil: %s/%s: %s\n", dir, ROUNDS_FILE,
			ret == -EPROTO ? "damaged, or written by another version" : strerror(-ret));
		return EXIT_NO;
	}
	for (i = 0; i < rounds->n_tasks; i++) {
		const FrazilTask *t = rounds->tasks[i];

		print_row(&(struct row){
			.pid = t->pid,
			.name = "-",
			.tracker = t->tracker,
			.since = "-",
			.told = t->has_written,
			.told_used = t->has_hot && t->has_cold,
			.counts = { t->scanned, t->written, t->hot, t->cold },
		});
	}
	for (i = 0; i < rounds->n_lives; i++)
		show_live(rounds->lives[i]);
	frazil_rounds__free_unpacked(rounds, NULL);
	return EXIT_OK;
}

static void usage(FILE *f)
{
	fputs("Usage: frazil status [--json] [--images DIR]\n"
	      "\n"
	      "Lists the tasks that are tracked: since when, how many pages of trackable memory\n"
	      "are present or swapped, how many were written since, how many were used (hot) and\n"
	      "how many were not (cold), where the kernel tells. Pages are 4 KiB; hot + cold = pages.\n"
	      "\n"
	      "  --images DIR  what was known when the images in DIR were made, and how tasks were\n"
	      "                frozen that ran on\n"
	      "  --json        for programs\n"
	      "\n"
	      "Exit status 0 also when no task is tracked.\n",
	      f);
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "images", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	const char *images = NULL;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 'i':
			images = optarg;
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}

	print_header();
	ret = images ? show_images(images) : show_tracked();
	if (json)
		printf("\n]\n");
	return ret;
}
