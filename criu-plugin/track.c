// SPDX-License-Identifier: GPL-2.0-only
/*
 * frazil track and frazil untrack: a round of tracking without criu and without images,
 * to see with `frazil status` what a task uses.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <compel/log.h>

#include "cli.h"
#include "config.h"
#include "host.h"
#include "keeper.h"
#include "maps.h"
#include "proc.h"
#include "stop.h"
#include "task.h"

extern char **environ;

static bool verbose;

void host_log(enum host_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > (verbose ? HOST_DEBUG : HOST_WARN))
		return;
	fputs("frazil: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

int host_run(const char *path, char *const argv[])
{
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	int status;

	/* Not what is blocked here. */
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	status = posix_spawn(&pid, path, NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	if (status)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status ? -1 : 0;
}

static void compel_says(unsigned int level, const char *fmt, va_list ap)
{
	vfprintf(stderr, fmt, ap);
}

static int track_stopped(int pid, const struct tracker *tracker, struct task *t)
{
	struct cr_plugin_track_mem args = { .pid = pid, .runs_on = true };
	struct maps maps;
	int ret;

	ret = maps_read(pid, &maps);
	if (ret)
		return ret;
	args.vmas = maps.vmas;
	args.nr_vmas = maps.nr;
	args.syscall_ip = maps.exec_start;
	ret = maps.exec_start ? task_track(t, tracker, NULL, &args) : -ENOEXEC;
	maps_fini(&maps);
	return ret ?: t->armed ? 0 : -ENOTSUP;
}

/*
 * Whether the task is in a cgroup (v2) that is frozen: it would stop under ptrace, but not run what is
 * injected until it is thawed.
 */
static bool is_frozen(int pid)
{
	char dir[4224], path[4352], line[64];
	bool frozen = false;
	FILE *f;

	proc_cgroup(pid, dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/cgroup.events", dir);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		frozen |= !strcmp(line, "frozen 1\n");
	fclose(f);
	return frozen;
}

/* Without signals that end this program: while something is injected into a task its life depends on it. */
static int track_now(int pid, const struct tracker *tracker, struct task *t)
{
	sigset_t ending, before;
	struct stopped stopped;
	int ret;

	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	sigprocmask(SIG_BLOCK, &ending, &before);
	ret = stop_process(pid, &stopped);
	if (ret) {
		fprintf(stderr, "frazil: %d cannot be stopped: %s\n", pid,
			ret == -ETIMEDOUT ? "it does not react; is it in uninterruptible sleep?"
					  : "is it there, yours, and not traced by somebody?");
	} else {
		ret = track_stopped(pid, tracker, t);
		if (resume_process(&stopped))
			fprintf(stderr, "frazil: %d may still be stopped: kill -CONT %d\n", pid, pid);
		if (ret)
			fprintf(stderr, "frazil: %d is not tracked%s%s\n", pid, ret == -ENOTSUP ? "" : ": ",
				ret == -ENOTSUP ? "" : strerror(-ret));
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ret;
}

static int track(int pid, bool json)
{
	struct tracker_verdict verdict = {};
	const struct tracker *tracker;
	struct config config;
	struct task t = {};
	char error[256];
	int ret;

	if (config_read(&config, error, sizeof(error))) {
		fprintf(stderr, "frazil: %s\n", error);
		return EXIT_NO;
	}
	tracker = tracker_select(config.tracker, &verdict);
	if (!tracker) {
		fprintf(stderr, "frazil: memory cannot be tracked: %s\n", verdict.reason);
		return EXIT_NO;
	}

	compel_log_init(compel_says, verbose ? COMPEL_LOG_DEBUG : COMPEL_LOG_ERROR);
	if (is_frozen(pid)) {
		fprintf(stderr, "frazil: %d is in a frozen cgroup: thaw it first, as with podman unpause\n", pid);
		return EXIT_NO;
	}
	ret = track_now(pid, tracker, &t);
	if (!ret && json) {
		printf("{\"pid\": %d, \"tracker\": \"%s\", \"pages\": %llu, \"mappings_tracked\": %u, "
		       "\"mappings_untracked\": %u}\n",
		       pid, tracker->name, (unsigned long long)t.counts.scanned, t.vmas_tracked, t.vmas_untracked);
	} else if (!ret) {
		printf("%d is tracked with %s: %llu pages in %u mappings; %u mappings cannot be\n", pid, tracker->name,
		       (unsigned long long)t.counts.scanned, t.vmas_tracked, t.vmas_untracked);
	}
	task_fini(&t);
	return ret ? EXIT_NO : EXIT_OK;
}

static int untrack(int pid, bool json)
{
	struct keeper_msg msg = { .op = KEEPER_DROP, .pid = pid };
	int sock, ret;

	ret = task_start_time(pid, &msg.start_time);
	if (ret) {
		fprintf(stderr, "frazil: there is no task %d\n", pid);
		return EXIT_NO;
	}
	ret = sock = keeper_connect();
	if (sock >= 0) {
		ret = keeper_call(sock, &msg, -1, NULL);
		close(sock);
	}
	if (ret == -ENOENT || ret == -ECONNREFUSED)
		fprintf(stderr, "frazil: %d is not tracked\n", pid);
	else if (ret < 0)
		fprintf(stderr, "frazil: %s\n", keeper_strerror(ret));
	else if (json)
		printf("{\"pid\": %d, \"untracked\": true}\n", pid);
	return ret < 0 ? EXIT_NO : EXIT_OK;
}

static void usage(FILE *f, bool on)
{
	if (on)
		fputs("Usage: frazil track [--json] [--verbose] PID\n"
		      "\n"
		      "Begins to track the memory of a task, or begins a new round if it is tracked:\n"
		      "frazil status then tells which pages were written and used since. The task is\n"
		      "stopped for some milliseconds. The next criu pre-dump or dump is a full one.\n"
		      "The tracker is chosen as for criu, see " CONFIG_FILE ".\n",
		      f);
	else
		fputs("Usage: frazil untrack [--json] PID\n"
		      "\n"
		      "Ends the tracking of a task, which goes on as if it had never been. The next criu\n"
		      "pre-dump or dump is a full one.\n",
		      f);
	fputs("\nExit status 0: done; 1: not done, with the reason; 2: wrong usage.\n", f);
}

static int cmd(int argc, char **argv, bool on)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	bool json = false;
	char *end;
	long pid;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'h':
			usage(stdout, on);
			return EXIT_OK;
		default:
			usage(stderr, on);
			return EXIT_USAGE;
		}
	}
	if (optind != argc - 1) {
		usage(stderr, on);
		return EXIT_USAGE;
	}
	pid = strtol(argv[optind], &end, 10);
	if (*end || pid <= 0 || pid > INT32_MAX) {
		fprintf(stderr, "frazil: '%s' is no pid\n", argv[optind]);
		return EXIT_USAGE;
	}
	return on ? track(pid, json) : untrack(pid, json);
}

int cmd_track(int argc, char **argv)
{
	return cmd(argc, argv, true);
}

int cmd_untrack(int argc, char **argv)
{
	return cmd(argc, argv, false);
}
