// SPDX-License-Identifier: GPL-2.0-only
/*
 * A task that may not have a userfaultfd: it is not root, gains no privileges any more, and
 * a seccomp filter kills it for the attempt, and for whatever else can get it one. The tracker
 * has to make one in it all the same, without the task's filter, and leave it what it was. If
 * the filter is asked the task is dead; if it is lost or the pages are not tracked well, the
 * checks in the end tell.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "frazil.h"

const char *test_doc = "A task without privileges that may not call userfaultfd() is tracked";
const char *test_author = "Frazil";

#define PAGES 2048

/* Returns 0 if the filter is there. */
static int is_confined(void)
{
	int status = 0;
	pid_t pid;

	if (!getuid())
		return fail("root");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_SECCOMP) != SECCOMP_MODE_FILTER)
		return fail("no filter, or privileges to gain");
	pid = test_fork();
	if (!pid) {
		syscall(__NR_userfaultfd, 0);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return pr_perror("cannot fork");
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? 0 : fail("userfaultfd() is allowed");
}

static int confine(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_userfaultfd, 4, 0),
		/* The device: opened here, or sent. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socketpair, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_recvmsg, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(filter), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return pr_perror("cannot set a filter");
	return is_confined();
}

int main(int argc, char **argv)
{
	struct area a;
	int bad;

	test_init(argc, argv);

	bad = area_map(&a, PAGES, 0) || area_write(&a, 0, PAGES / 2) || confine();
	if (bad)
		return 1;

	test_daemon();
	while (test_go() && !bad) {
		bad = area_write(&a, any(PAGES), 1);
		usleep(500);
	}

	return test_end(bad || area_check_all(&a) || is_confined());
}
