// SPDX-License-Identifier: GPL-2.0-only
/* A process in the background that can be dumped: its descriptors, signals, report. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shapes.h"

static void append(const char *text)
{
	size_t length = strlen(text);
	int fd = open(prog.report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);

	if (fd < 0 || write(fd, text, length) != (ssize_t)length)
		dprintf(STDERR_FILENO, "shapes: cannot append to %s: %s\n", prog.report, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Appends a line, without its end, to the report, in one write. */
void report(const char *format, ...)
{
	char line[LINE_BYTES];
	va_list ap;
	int used;

	va_start(ap, format);
	used = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	if (used > (int)sizeof(line) - 2)
		used = sizeof(line) - 2;
	strcpy(line + used, "\n");
	append(line);
}

/* Says in the report and on standard error why the process ends, and ends it. */
void die(const char *format, ...)
{
	char text[LINE_BYTES / 2];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "shapes: process %u: %s\n", prog.me, text);
	if (prog.report)
		report("failed process %u round %u: %s", prog.me, prog.rounds, text);
	_exit(1);
}

/* Closes what was inherited, and makes sure that 0, 1 and 2 are taken. */
void tidy_descriptors(void)
{
	int fd;

	if (close_range(3, UINT_MAX, 0))
		die("close_range: %s", strerror(errno));
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	if (fd < 0)
		die("cannot open /dev/null: %s", strerror(errno));
	close(fd);
}

/* Leaves /dev/null as standard input, output and error. */
void redirect_to_null(void)
{
	int fd = open("/dev/null", O_RDWR);

	for (int std = 0; std <= 2; std++)
		if (dup2(fd, std) < 0)
			die("cannot redirect to /dev/null: %s", strerror(errno));
	if (fd > 2)
		close(fd);
}

/*
 * Goes on in a child, with a session of its own. The parent waits until the child
 * tells it that it is ready, by tell_launcher(), and prints its pid.
 */
void detach(void)
{
	int fds[2], status = 0;
	char byte = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		close(fds[0]);
		if (setsid() < 0 || chdir("/"))
			die("setsid or chdir: %s", strerror(errno));
		prog.ready = fds[1];
		return;
	}
	close(fds[1]);
	if (read(fds[0], &byte, 1) == 1) {
		dprintf(STDOUT_FILENO, "%d\n", pid);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	dprintf(STDERR_FILENO, "shapes: the background process ended with status 0x%x\n", status);
	_exit(1);
}

void tell_launcher(void)
{
	if (prog.ready < 0) {
		dprintf(STDOUT_FILENO, "%d\n", getpid());
		return;
	}
	if (write(prog.ready, "r", 1) != 1)
		_exit(1);
	close(prog.ready);
	prog.ready = -1;
}

static void fill_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGUSR2);
	sigaddset(set, SIGTERM);
}

/* The signals are waited for, by next_signal(); nothing is interrupted. */
void block_signals(void)
{
	sigset_t set;

	signal(SIGCHLD, SIG_DFL);
	fill_set(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

/* Waits; CRIU may interrupt that. */
int next_signal(void)
{
	sigset_t set;
	int sig;

	fill_set(&set);
	do {
		sig = sigwaitinfo(&set, NULL);
	} while (sig < 0 && (errno == EINTR || errno == EAGAIN));
	if (sig < 0)
		die("sigwaitinfo: %s", strerror(errno));
	return sig;
}

/* From now on userfaultfd(2) ends the process; nobody but itself may say so. */
void forbid_userfaultfd(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = sizeof(code) / sizeof(*code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		die("seccomp: %s", strerror(errno));
}
