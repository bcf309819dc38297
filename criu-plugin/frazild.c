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
 * It uses what it keeps for one thing only. A fork of a tracked task waits until
 * somebody has read of it, and gives a userfaultfd of the child: that is read at once
 * and kept as well, until the next run of criu finds out whose it is. All else is done
 * by others. When the keeper ends, for whatever reason, the kernel makes every page
 * accessible again, tasks and their forks go on, and the next dump is a full one.
 *
 * A task's death is noticed through its pidfd; that of a child nobody knows, by trying.
 * With nothing left to keep it ends by itself after a while. A lock file beside the
 * socket sees to it that there is only one; it is never removed, so that the lock
 * cannot be split. It may be handed a listening socket, as systemd does.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper.h"
#include "uapi.h"

#define IDLE_S 60
/* With fewer forked children than these it is not worth it to look for dead ones. */
#define PRUNE_MIN 64

/* The first descriptor that systemd passes: SD_LISTEN_FDS_START of sd_listen_fds(3). */
#define LISTEN_FD (STDERR_FILENO + 1)

/* What an epoll event is about. */
struct source {
	enum { SRC_LISTEN, SRC_CLIENT, SRC_TASK, SRC_UFFD } kind;
	int fd;
};

/* A tracked task, or a forked child that nobody claimed: then info.fork_id is not 0. */
struct kept {
	struct source pidfd; /* fd -1 for a forked child */
	struct source uffd;
	struct keeper_msg info;
	struct kept *next;
};

static struct kept *tasks, *forks;
static size_t nr_forks;
static uint32_t last_fork_id;
static int epoll_fd = -1;

static struct kept **find(int pid, uint64_t start_time)
{
	struct kept **p;

	for (p = &tasks; *p; p = &(*p)->next)
		if ((*p)->info.pid == pid && (*p)->info.start_time == start_time)
			break;
	return p;
}

static struct kept **find_fork(uint32_t id)
{
	struct kept **p;

	for (p = &forks; *p && (*p)->info.fork_id != id; p = &(*p)->next)
		;
	return p;
}

static void forget(struct kept **p)
{
	struct kept *k = *p;

	*p = k->next;
	/* Closing does not do it while there are duplicates: criu has one, or the next round. */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, k->uffd.fd, NULL);
	close(k->uffd.fd);
	if (k->pidfd.fd >= 0)
		close(k->pidfd.fd);
	free(k);
}

static int watch(struct source *src)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = src };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, src->fd, &ev) ? -errno : 0;
}

static struct kept *new_kept(const struct keeper_msg *info, int uffd)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->info = *info;
	k->pidfd = (struct source){ .kind = SRC_TASK, .fd = -1 };
	k->uffd = (struct source){ .kind = SRC_UFFD, .fd = uffd };
	return k;
}

/* Names the task that @k is about. Returns 0 or -errno. */
static int identify(struct kept *k, int pid, uint64_t start_time)
{
	uint64_t is;
	int ret;

	k->pidfd.fd = syscall(SYS_pidfd_open, pid, 0);
	if (k->pidfd.fd < 0)
		return -errno;
	/* Only now is it certain that the pid is, and stays, that task's. */
	ret = task_start_time(pid, &is);
	if (!ret && is != start_time)
		ret = -ESRCH;
	if (!ret)
		ret = watch(&k->pidfd);
	if (ret) {
		close(k->pidfd.fd);
		k->pidfd.fd = -1;
	}
	return ret;
}

/*
 * Whether there is still a task with the mm of a forked child: an operation that finds
 * nothing to do, at an address where nothing is mapped, says so. Not below what
 * vm.mmap_min_addr usually is, 64 KiB, which kernels before Linux 7.1 refuse first.
 */
static bool is_alive(const struct kept *fork)
{
	struct uffdio_writeprotect unprotect = { .range = { .start = 1 << 20, .len = 4096 } };

	return !ioctl(fork->uffd.fd, UFFDIO_WRITEPROTECT, &unprotect) || errno != ESRCH;
}

static void prune_forks(void)
{
	struct kept **p = &forks;

	nr_forks = 0;
	while (*p) {
		if (is_alive(*p)) {
			p = &(*p)->next;
			nr_forks++;
		} else {
			forget(p);
		}
	}
}

/* Takes over @uffd on success only. */
static int put(const struct keeper_msg *msg, int uffd)
{
	struct kept **old = find(msg->pid, msg->start_time), *k;
	int ret;

	if (uffd < 0)
		return -EINVAL;
	k = new_kept(msg, uffd);
	if (!k)
		return -ENOMEM;
	k->info.fork_id = 0;
	ret = identify(k, msg->pid, msg->start_time);
	if (!ret)
		ret = watch(&k->uffd);
	if (ret) {
		if (k->pidfd.fd >= 0)
			close(k->pidfd.fd);
		free(k);
		return ret;
	}

	if (*old)
		forget(old);
	k->next = tasks;
	tasks = k;
	return 0;
}

/* A forked child turned out to be this task. */
static int claim(const struct keeper_msg *msg)
{
	struct kept **p = find_fork(msg->fork_id), **old = find(msg->pid, msg->start_time), *k = *p;
	int ret;

	if (!k)
		return -ENOENT;
	ret = identify(k, msg->pid, msg->start_time);
	if (ret)
		return ret;
	if (*old)
		forget(old);
	*p = k->next;
	k->info.pid = msg->pid;
	k->info.start_time = msg->start_time;
	k->info.fork_id = 0;
	k->next = tasks;
	tasks = k;
	return 0;
}

/* Keeps the userfaultfd of a child that the task of @parent forked. */
static void add_fork(const struct kept *parent, int uffd)
{
	static size_t prune_at = PRUNE_MIN;
	struct kept *k = new_kept(&parent->info, uffd);
	struct uffdio_set_mode async = { .enable = UFFD_FEATURE_MINOR_ASYNC };

	/*
	 * The fork may have begun while a live dump had the userfaultfd, and be told of now that
	 * it was given back. Then the child is still in sync mode, and would wait for ever for
	 * who served faults then. Other trackers have no such mode.
	 */
	ioctl(uffd, UFFDIO_SET_MODE, &async);
	if (!k || watch(&k->uffd)) {
		/* Tracking of the child ends with that. */
		close(uffd);
		free(k);
		return;
	}
	k->info.fork_id = ++last_fork_id ?: ++last_fork_id;
	k->next = forks;
	forks = k;

	/* Now and then: each costs a system call, and a server may have many children. */
	if (++nr_forks >= prune_at) {
		prune_forks();
		prune_at = 2 * nr_forks > PRUNE_MIN ? 2 * nr_forks : PRUNE_MIN;
	}
}

static struct kept **find_uffd(struct kept **list, const struct source *src)
{
	while (*list && &(*list)->uffd != src)
		list = &(*list)->next;
	return list;
}

/* A task waits in fork() until this has been read. */
static void read_events(const struct source *src)
{
	struct kept **p = find_uffd(&tasks, src);
	struct uffd_msg msg;
	ssize_t len;

	if (!*p)
		p = find_uffd(&forks, src);
	if (!*p)
		return;
	len = read((*p)->uffd.fd, &msg, sizeof(msg));
	if (len == sizeof(msg) && msg.event == UFFD_EVENT_FORK) {
		add_fork(*p, msg.arg.fork.ufd);
	} else if (len < 0 && errno != EAGAIN && errno != EINTR) {
		/* Out of descriptors or memory: rather not tracked than held up. */
		forget(p);
	}
}

static int answer(int sock, struct keeper_msg *msg, int error, int fd)
{
	msg->magic = KEEPER_MAGIC;
	msg->version = KEEPER_VERSION;
	msg->error = error;
	return msg_send(sock, msg, sizeof(*msg), fd);
}

static int list(int sock, struct keeper_msg *msg, const struct kept *k, bool with_uffd)
{
	int ret;

	for (; k; k = k->next) {
		struct keeper_msg info = k->info;

		ret = answer(sock, &info, 0, with_uffd ? k->uffd.fd : -1);
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
		ret = answer(sock, &msg, *p ? 0 : ENOENT, *p ? (*p)->uffd.fd : -1);
		break;
	case KEEPER_DROP:
		ret = answer(sock, &msg, *p ? 0 : ENOENT, -1);
		if (*p)
			forget(p);
		break;
	case KEEPER_LIST:
		ret = list(sock, &msg, tasks, false);
		break;
	case KEEPER_FORKS:
		prune_forks();
		ret = list(sock, &msg, forks, true);
		break;
	case KEEPER_CLAIM:
		ret = answer(sock, &msg, -claim(&msg), -1);
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
		for (p = &tasks; *p && &(*p)->pidfd != src; p = &(*p)->next)
			;
		if (*p)
			forget(p);
		break;
	case SRC_UFFD:
		read_events(src);
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
			prune_forks();
		if (nr == 0 && !forks)
			return 0;
		/* One at a time: serving one may free another. */
		if (nr == 1)
			dispatch(ev.data.ptr);
	}
}

/* Whether whoever started this has passed a listening socket, and only that. */
static bool is_activated(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int listening = 0;
	socklen_t len = sizeof(listening);

	return pid && fds && atoi(pid) == getpid() && atoi(fds) == 1 &&
	       !getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) && listening;
}

/*
 * @passed: a listening socket to use, or -1. Returns one, or -errno; -EALREADY when
 * another keeper runs.
 */
static int make_listener(int passed)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char lock_path[KEEPER_PATH_BYTES];
	int lock, sock, ret;

	keeper_path(addr.sun_path, "sock");
	keeper_path(lock_path, "lock");
	if (mkdir(KEEPER_DIR, 0700) && errno != EEXIST)
		return -errno;
	/* Stays open, and locked, until the process ends. */
	lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return -errno;
	if (flock(lock, LOCK_EX | LOCK_NB)) {
		close(lock);
		return -EALREADY;
	}
	if (passed >= 0)
		return passed;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	unlink(addr.sun_path);
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
	      "  --foreground    do not fork; so it is when systemd passes the socket\n"
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
	char path[KEEPER_PATH_BYTES];
	struct rlimit files;
	bool activated;

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
	activated = is_activated();
	closefrom(activated ? LISTEN_FD + 1 : LISTEN_FD);
	while ((null = open("/dev/null", O_RDWR)) >= 0 && null <= STDERR_FILENO)
		;
	close(null);
	signal(SIGPIPE, SIG_IGN);

	/* Each child that is forked takes a descriptor. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}

	sock = make_listener(activated ? LISTEN_FD : -1);
	if (sock == -EALREADY)
		return 0;
	if (sock < 0) {
		fprintf(stderr, "frazild: cannot listen in " KEEPER_DIR ": %s\n", strerror(-sock));
		return 1;
	}
	if (!foreground && !activated) {
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
	if (!activated) {
		keeper_path(path, "sock");
		unlink(path);
	}
	return ret;
}
