// SPDX-License-Identifier: GPL-2.0-only
/*
 * frazil status: what the keeper keeps, and what the kernel says of those pages right
 * now, without disturbing it; or, for an images directory, what was known when the
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
#include "rounds.h"
#include "scan.h"

/* End of user space with 47-bit addresses; PAGEMAP_SCAN skips what is not mapped. */
#define TASK_END 0x7ffffffff000ull

struct row {
	int pid;
	const char *name;
	const char *tracker;
	const char *since;
	bool told; /* written, hot and cold are known */
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

static void print_row(const struct row *r)
{
	const struct page_counts *c = &r->counts;

	if (json) {
		printf("%s\n  {\"pid\": %d, \"name\": ", rows ? "," : "", r->pid);
		print_json_string(r->name);
		printf(", \"tracker\": \"%s\", \"since\": \"%s\", \"pages\": %llu", r->tracker, r->since,
		       (unsigned long long)c->scanned);
		if (r->told)
			printf(", \"written\": %llu, \"hot\": %llu, \"cold\": %llu", (unsigned long long)c->written,
			       (unsigned long long)c->hot, (unsigned long long)c->cold);
		printf("}");
	} else if (r->told) {
		printf("%7d %-16s %-11s %-20s %9llu %9llu %9llu %9llu\n", r->pid, r->name, r->tracker, r->since,
		       (unsigned long long)c->scanned, (unsigned long long)c->written, (unsigned long long)c->hot,
		       (unsigned long long)c->cold);
	} else {
		printf("%7d %-16s %-11s %-20s %9llu %9s %9s %9s\n", r->pid, r->name, r->tracker, r->since,
		       (unsigned long long)c->scanned, "-", "-", "-");
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

static void show_task(const struct keeper_msg *msg)
{
	struct row row = { .pid = msg->pid, .tracker = msg->tracker };
	char path[32], name[32], since[32];
	time_t since_s = msg->since_s;
	struct tm tm;
	int fd;

	task_name(msg->pid, name, sizeof(name));
	strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&since_s, &tm));
	row.name = name;
	row.since = since;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", msg->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		row.told = !scan_pages(fd, 0, TASK_END, false, NULL, &row.counts);
		close(fd);
	}
	print_row(&row);
}

static int show_tracked(void)
{
	struct keeper_msg msg = { .magic = KEEPER_MAGIC, .version = KEEPER_VERSION, .op = KEEPER_LIST };
	int sock = keeper_connect(), ret;

	/* No keeper: nobody is tracked. */
	if (sock == -ENOENT || sock == -ECONNREFUSED)
		return EXIT_OK;
	if (sock < 0) {
		fprintf(stderr, "frazil: cannot talk to the keeper at %s: %s\n", KEEPER_SOCKET, strerror(-sock));
		return EXIT_NO;
	}
	ret = msg_send(sock, &msg, sizeof(msg), -1);
	while (!ret) {
		ret = keeper_next(sock, &msg);
		if (!ret)
			show_task(&msg);
	}
	close(sock);
	if (ret == -ENOENT)
		return EXIT_OK;
	fprintf(stderr, "frazil: the keeper does not answer: %s\n", strerror(-ret));
	return EXIT_NO;
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
			.told = t->has_hot && t->has_cold && t->has_written,
			.counts = { t->scanned, t->written, t->hot, t->cold },
		});
	}
	frazil_rounds__free_unpacked(rounds, NULL);
	return EXIT_OK;
}

static void usage(FILE *f)
{
	fputs("Usage: frazil status [--json] [--images DIR]\n"
	      "\n"
	      "Lists the tasks that are tracked: since when, how many pages of trackable memory\n"
	      "are present or swapped, how many were written since, how many were used (hot) and\n"
	      "how many were not (cold). Pages are 4 KiB; hot + cold = pages.\n"
	      "\n"
	      "  --images DIR  what was known when the images in DIR were made\n"
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
