// SPDX-License-Identifier: GPL-2.0-only
/* frazil check: each line says what is there, or what is missing and what to do. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli.h"
#include "config.h"
#include "keeper.h"
#include "tracker.h"

#define PLUGIN_PATH "/usr/lib/criu/frazil_plugin.so"

static bool json;
static int lines, missing;

/* One line of the answer. @need: tracking cannot do without it. */
static void report(const char *what, bool ok, bool need, const char *reason)
{
	if (need && !ok)
		missing++;
	if (json)
		printf("%s\n  {\"name\": \"%s\", \"ok\": %s, \"needed\": %s, \"reason\": \"%s\"}", lines ? "," : "",
		       what, ok ? "true" : "false", need ? "true" : "false", reason);
	else
		printf("%-3s  %-20s %s\n", ok ? "ok" : need ? "NO" : "-", what, reason);
	lines++;
}

static void check_user(void)
{
	bool root = geteuid() == 0;

	report("user", root, true, root ? "root" : "criu has to run as root to track tasks of others");
}

static void check_trackers(void)
{
	struct tracker_verdict verdict = {};
	struct utsname uts;
	char reason[480];
	bool any = false, forbidden = false;
	int i;

	uname(&uts);
	for (i = 0; trackers[i]; i++) {
		int ret = tracker_probe(trackers[i], &verdict);

		snprintf(reason, sizeof(reason), "%s", ret ? verdict.reason : trackers[i]->tells);
		report(trackers[i]->name, !ret, false, reason);
		any |= !ret;
		forbidden |= ret == -EPERM || ret == -EACCES;
	}
	snprintf(reason, sizeof(reason), "linux %s: %s", uts.release,
		 any	     ? "the first of the above is used"
		 : forbidden ? "what is run here may not use userfaultfd, on any kernel"
			     : "boot Linux 6.7 or newer, best one built with kernel/series");
	report("tracking", any, true, reason);
}

static void check_config(void)
{
	struct config config;
	char reason[256];
	int ret = config_read(&config, reason, sizeof(reason));

	if (!ret)
		snprintf(reason, sizeof(reason), "tracker = %s, lazy_parent = %s, freeze = %s",
			 config.tracker ?: "auto", config.lazy_parent ? "yes" : "no", config.freeze ?: "auto");
	report("configuration", !ret, true, reason);
}

/* Whether soft-dirty works, which criu falls back on: write one page and look. */
static void check_soft_dirty(void)
{
	uint64_t entry = 0;
	bool ok = false;
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (page != MAP_FAILED && fd >= 0) {
		page[0] = 1;
		ok = pread(fd, &entry, sizeof(entry), (uintptr_t)page / 4096 * sizeof(entry)) == sizeof(entry) &&
		     (entry >> 55 & 1);
	}
	if (fd >= 0)
		close(fd);
	report("soft-dirty", ok, false,
	       ok ? "criu's own tracking is there to fall back on" : "without Frazil, criu pre-dump is refused here");
}

static char *find_in_path(const char *name)
{
	char *path = strdup(getenv("PATH") ?: "/usr/sbin:/usr/bin:/sbin:/bin"), *dir, *save = NULL, *found = NULL;

	for (dir = strtok_r(path, ":", &save); dir && !found; dir = strtok_r(NULL, ":", &save)) {
		char *full;

		if (asprintf(&full, "%s/%s", dir, name) < 0)
			break;
		if (!access(full, X_OK))
			found = full;
		else
			free(full);
	}
	free(path);
	return found;
}

/* The hooks come with a function that is exported under this name. */
static bool file_has(const char *path, const char *needle)
{
	struct stat st;
	bool found = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map;

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && st.st_size > 0) {
		map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED) {
			found = memmem(map, st.st_size, needle, strlen(needle) + 1);
			munmap(map, st.st_size);
		}
	}
	close(fd);
	return found;
}

static void check_criu(void)
{
	char *criu = find_in_path("criu"), reason[512];
	bool hooks = criu && file_has(criu, "criu_get_plugin_version");

	snprintf(reason, sizeof(reason), "%s%s", criu ?: "not in PATH",
		 hooks	? " has the hooks for memory tracking"
		 : criu ? " has no hooks for memory tracking: install the one that comes with Frazil"
			: "");
	report("criu", hooks, true, reason);
	free(criu);

	if (access(PLUGIN_PATH, R_OK))
		snprintf(reason, sizeof(reason), "%s: %s", PLUGIN_PATH, strerror(errno));
	else
		snprintf(reason, sizeof(reason), "%s", PLUGIN_PATH);
	report("plugin", !access(PLUGIN_PATH, R_OK), true, reason);
}

static void check_keeper(void)
{
	int sock = keeper_connect();
	char reason[160];

	if (sock >= 0)
		snprintf(reason, sizeof(reason), "frazild is running");
	else if (sock == -ENOENT || sock == -ECONNREFUSED)
		snprintf(reason, sizeof(reason), "not running; it is started when it is needed");
	else
		snprintf(reason, sizeof(reason), "%s", keeper_strerror(sock));
	report("keeper", sock >= 0 || sock == -ENOENT || sock == -ECONNREFUSED, true, reason);
	if (sock >= 0)
		close(sock);
}

static void usage(FILE *f)
{
	fputs("Usage: frazil check [--json]\n"
	      "\n"
	      "Says what this kernel, this criu and this user can do. Exit status 0: memory can be\n"
	      "tracked; 1: it cannot, and the lines marked NO tell why.\n",
	      f);
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'h') {
			usage(stdout);
			return EXIT_OK;
		}
		if (opt != 'j') {
			usage(stderr);
			return EXIT_USAGE;
		}
		json = true;
	}

	if (json)
		printf("[");
	check_user();
	check_trackers();
	check_config();
	check_soft_dirty();
	check_criu();
	check_keeper();
	if (json)
		printf("\n]\n");
	return missing ? EXIT_NO : EXIT_OK;
}
