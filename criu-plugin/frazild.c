// SPDX-License-Identifier: GPL-2.0-only
/*
 * frazild, the keeper
 *
 * Theory of operation
 *
 * Tracking lasts as long as somebody holds the userfaultfd, and criu ends between
 * two rounds. The task must not hold it: criu refuses to dump a task with an open
 * userfaultfd. So this process does.
 *
 * It never uses what it keeps. When it ends, for whatever reason, the kernel makes
 * every page accessible again, tasks go on, and the next dump is a full one.
 *
 * A task's death is noticed through its pidfd. With nothing left to keep it ends by
 * itself after a while. A lock file beside the socket sees to it that there is only
 * one; it is never removed, so that the lock cannot be split.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper.h"

#define KEEPER_DIR  "/run/frazil"
#define KEEPER_LOCK KEEPER_DIR "/keeper.lock"
#define IDLE_S	    60

/* What an epoll event is about. */
struct source {
	enum { SRC_LISTEN, SRC_CLIENT, SRC_TASK } kind;
	int fd; /* for a task: its pidfd */
};

struct kept {
	struct source src; /* first: epoll hands it back */
	int uffd;
	struct keeper_msg info;
	struct kept *next;
};

static struct kept *tasks;
static int epoll_fd = -1;

static struct kept **find(int pid, uint64_t start_time)
{
	struct kept **p;

	for (p = &tasks; *p; p = &(*p)->next)
		if ((*p)->info.pid == pid && (*p)->info.start_time == start_time)
			break;
	return p;
}

static void forget(struct kept **p)
{
	struct kept *k = *p;

	*p = k->next;
	close(k->uffd);
	close(k->src.fd);
	free(k);
}

static int watch(struct source *src)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = src };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, src->fd, &ev) ? -errno : 0;
}

/* Takes over @uffd on success only. */
static int put(const struct keeper_msg *msg, int uffd)
{
	struct kept **old = find(msg->pid, msg->start_time), *k;
	uint64_t start_time;
	int ret;

	if (uffd < 0)
		return -EINVAL;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->info = *msg;
	k->src.kind = SRC_TASK;
	k->src.fd = syscall(SYS_pidfd_open, msg->pid, 0);
	if (k->src.fd < 0) {
		ret = -errno;
		goto err;
	}
	/* Only now is it certain that the pid is, and stays, that task's. */
	ret = task_start_time(msg->pid, &start_time);
	if (!ret && start_time != msg->start_time)
		ret = -ESRCH;
	if (!ret)
		ret = watch(&k->src);
	if (ret) {
		close(k->src.fd);
		goto err;
	}

	if (*old)
		forget(old);
	k->uffd = uffd;
	k->next = tasks;
	tasks = k;
	return 0;
err:
	free(k);
	return ret;
}

static int answer(int sock, struct keeper_msg *msg, int error, int fd)
{
	msg->magic = KEEPER_MAGIC;
	msg->version = KEEPER_VERSION;
	msg->error = error;
	return msg_send(sock, msg, sizeof(*msg), fd);
}

static int list(int sock, struct keeper_msg *msg)
{
	struct kept *k;
	int ret;

	for (k = tasks; k; k = k->next) {
		struct keeper_msg info = k->info;

		ret = answer(sock, &info, 0, -1);
		if (ret)
			return ret;
	}
	return answer(sock, msg, ENOENT, -1);
}

/* Serves one request. Returns 0, or -errno when the connection is to be closed. */
static int serve(int sock)
{
	struct keeper_msg msg = {};
	struct kept **p;
	int fd, ret;

	ret = msg_recv(sock, &msg, sizeof(msg), &fd);
	if (ret)
		return ret;
	if (msg.magic != KEEPER_MAGIC || msg.version != KEEPER_VERSION) {
		ret = answer(sock, &msg, EPROTO, -1);
		goto out;
	}

	p = find(msg.pid, msg.start_time);
	switch (msg.op) {
	case KEEPER_PUT:
		ret = put(&msg, fd);
		if (!ret)
			fd = -1;
		ret = answer(sock, &msg, -ret, -1);
		break;
	case KEEPER_GET:
		if (*p)
			msg = (*p)->info;
		ret = answer(sock, &msg, *p ? 0 : ENOENT, *p ? (*p)->uffd : -1);
		break;
	case KEEPER_DROP:
		ret = answer(sock, &msg, *p ? 0 : ENOENT, -1);
		if (*p)
			forget(p);
		break;
	case KEEPER_LIST:
		ret = list(sock, &msg);
		break;
	default:
		ret = answer(sock, &msg, EOPNOTSUPP, -1);
	}
out:
	if (fd >= 0)
		close(fd);
	return ret;
}

static void accept_client(int listen_fd)
{
	/* A client that does not read its answers must not stop the others. */
	struct timeval timeout = { .tv_sec = 1 };
	struct source *src;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int sock;

	sock = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (sock < 0)
		return;
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	src = calloc(1, sizeof(*src));
	if (!src || getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) || (cred.uid != 0 && cred.uid != geteuid()))
		goto refuse;
	src->kind = SRC_CLIENT;
	src->fd = sock;
	if (!watch(src))
		return;
refuse:
	free(src);
	close(sock);
}

static void dispatch(struct source *src)
{
	struct kept **p;

	switch (src->kind) {
	case SRC_LISTEN:
		accept_client(src->fd);
		break;
	case SRC_CLIENT:
		if (serve(src->fd)) {
			close(src->fd);
			free(src);
		}
		break;
	case SRC_TASK:
		for (p = &tasks; *p; p = &(*p)->next)
			if (&(*p)->src == src) {
				forget(p);
				break;
			}
		break;
	}
}

/* Runs until nothing was kept and nobody came for @idle_s seconds. */
static int run(int listen_fd, int idle_s)
{
	struct source listener = { .kind = SRC_LISTEN, .fd = listen_fd };

	if (watch(&listener))
		return 1;
	for (;;) {
		struct epoll_event ev;
		int nr = epoll_wait(epoll_fd, &ev, 1, tasks ? -1 : idle_s * 1000);

		if (nr < 0 && errno != EINTR)
			return 1;
		if (nr == 0)
			return 0;
		/* One at a time: serving one may free another. */
		if (nr == 1)
			dispatch(ev.data.ptr);
	}
}

/* Returns a listening socket, or -errno; -EALREADY when another keeper runs. */
static int make_listener(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = KEEPER_SOCKET };
	int lock, sock, ret;

	if (mkdir(KEEPER_DIR, 0700) && errno != EEXIST)
		return -errno;
	/* Stays open, and locked, until the process ends. */
	lock = open(KEEPER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return -errno;
	if (flock(lock, LOCK_EX | LOCK_NB)) {
		close(lock);
		return -EALREADY;
	}
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	unlink(KEEPER_SOCKET);
	umask(0077);
	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) || listen(sock, 16)) {
		ret = -errno;
		close(sock);
		return ret;
	}
	return sock;
}

/* The parent returns only when the socket is there to be connected to. */
static int go_background(void)
{
	int null;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid)
		_exit(0);
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -errno;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	return chdir("/") ? -errno : 0;
}

static void usage(FILE *f)
{
	fputs("Usage: frazild [--foreground] [--idle SECONDS]\n"
	      "\n"
	      "Holds the userfaultfds of tracked tasks between two runs of criu. Started by\n"
	      "frazil_plugin.so when it is needed; ends by itself when nothing is left to\n"
	      "keep. Killing it does no harm: tracking ends, and the next dump is a full one.\n"
	      "\n"
	      "  --foreground    do not fork\n"
	      "  --idle SECONDS  how long to wait for work with nothing to keep (60)\n",
	      f);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ "idle", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int foreground = 0, idle_s = IDLE_S, opt, sock, null, ret;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'f':
			foreground = 1;
			break;
		case 'i':
			idle_s = atoi(optarg);
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}

	/*
	 * Whoever started it may have left descriptors open, of a container, say; or
	 * closed the standard ones, which must not become the lock or the socket.
	 */
	closefrom(STDERR_FILENO + 1);
	while ((null = open("/dev/null", O_RDWR)) >= 0 && null <= STDERR_FILENO)
		;
	close(null);
	signal(SIGPIPE, SIG_IGN);

	sock = make_listener();
	if (sock == -EALREADY)
		return 0;
	if (sock < 0) {
		fprintf(stderr, "frazild: cannot listen at %s: %s\n", KEEPER_SOCKET, strerror(-sock));
		return 1;
	}
	if (!foreground) {
		ret = go_background();
		if (ret) {
			fprintf(stderr, "frazild: cannot go to the background: %s\n", strerror(-ret));
			return 1;
		}
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return 1;
	ret = run(sock, idle_s);
	unlink(KEEPER_SOCKET);
	return ret;
}
