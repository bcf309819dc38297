// SPDX-License-Identifier: GPL-2.0-only
/* The client side of the keeper's protocol, and what both sides share. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper.h"
#include "proc.h"

/* A keeper that is stuck must not hold up a frozen task. */
#define KEEPER_TIMEOUT_S 5

union fd_control {
	struct cmsghdr hdr;
	char buf[CMSG_SPACE(sizeof(int))];
};

/*
 * Sends one message, with a descriptor if @fd is not negative.
 *
 * Returns 0 or -errno.
 */
int msg_send(int sock, const void *buf, size_t len, int fd)
{
	struct iovec iov = { (void *)buf, len };
	union fd_control control = {};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -errno;
}

/*
 * Receives one message of exactly @len bytes. *@fd gets the descriptor that came
 * with it, or -1, and is the caller's.
 *
 * Returns 0; -EPIPE at the end of the connection; -EPROTO for another length;
 * another -errno.
 */
int msg_recv(int sock, void *buf, size_t len, int *fd)
{
	struct iovec iov = { buf, len };
	union fd_control control = {};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t got;

	*fd = -1;
	got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	if (got < 0)
		return -errno;
	if (msg.msg_controllen >= CMSG_LEN(sizeof(int)) && control.hdr.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&control.hdr), sizeof(int));
	if (got == 0)
		return -EPIPE;
	if ((size_t)got != len || (msg.msg_flags & MSG_TRUNC)) {
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		return -EPROTO;
	}
	return 0;
}

/*
 * Where the keeper's socket is, or with another @suffix than "sock" what lies beside it.
 *
 * A pid means something in one pid namespace only, and several may see the same /run:
 * those of criu-ns and of ZDTM do. So each has a keeper of its own, whose files have the
 * namespace's inode number in their names, except in the initial one.
 */
void keeper_path(char path[KEEPER_PATH_BYTES], const char *suffix)
{
	/* PROC_PID_INIT_INO of include/linux/proc_ns.h: the same on every kernel. */
	const ino_t initial = 0xeffffffc;
	struct stat ns;

	if (stat("/proc/self/ns/pid", &ns) || ns.st_ino == initial)
		snprintf(path, KEEPER_PATH_BYTES, KEEPER_DIR "/keeper.%s", suffix);
	else
		snprintf(path, KEEPER_PATH_BYTES, KEEPER_DIR "/keeper-%lu.%s", (unsigned long)ns.st_ino, suffix);
}

/*
 * Connects to a running keeper and checks whose it is.
 *
 * Returns a descriptor or -errno: -ENOENT or -ECONNREFUSED when none is running,
 * -EPERM when the socket belongs to another user.
 */
int keeper_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = KEEPER_TIMEOUT_S };
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int sock, ret;

	keeper_path(addr.sun_path, "sock");
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) ||
	    getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
		ret = -errno;
		close(sock);
		return ret;
	}
	if (cred.uid != 0 && cred.uid != geteuid()) {
		close(sock);
		return -EPERM;
	}
	return sock;
}

/* What a negative errno of these functions means, and what to do about it. */
const char *keeper_strerror(int error)
{
	switch (-error) {
	case EPROTO:
		return "the keeper is of another version; end frazild, it does no harm";
	case EPERM:
		return "the keeper's socket belongs to another user; see who made it in " KEEPER_DIR;
	case EAGAIN:
		return "the keeper does not answer in time; end frazild, it does no harm";
	case EALREADY:
		return "frazild runs, but its socket was replaced or removed; end it, it does no harm";
	case ECHILD:
		return "the keeper, frazild, cannot be started";
	default:
		return strerror(-error);
	}
}

/*
 * The answer to a request; of KEEPER_LIST and KEEPER_FORKS, the next one. *@fd gets the
 * descriptor that came with it, or -1, and is the caller's; may be NULL.
 *
 * Returns 0; what the keeper answered, -ENOENT after the last of a list; -EPROTO for a
 * keeper of another version; another -errno.
 */
int keeper_next(int sock, struct keeper_msg *msg, int *fd)
{
	int got = -1, ret = msg_recv(sock, msg, sizeof(*msg), &got);

	if (!ret && (msg->magic != KEEPER_MAGIC || msg->version != KEEPER_VERSION))
		ret = -EPROTO;
	if (!ret)
		ret = -msg->error;
	if ((ret || !fd) && got >= 0) {
		close(got);
		got = -1;
	}
	if (fd)
		*fd = got;
	return ret;
}

/*
 * Sends a request, with a descriptor if @fd is not negative. What is answered is read
 * with keeper_next(). Returns 0 or -errno.
 */
int keeper_ask(int sock, struct keeper_msg *msg, int fd)
{
	msg->magic = KEEPER_MAGIC;
	msg->version = KEEPER_VERSION;
	msg->error = 0;
	return msg_send(sock, msg, sizeof(*msg), fd);
}

/*
 * Sends a request and waits for the answer, which replaces it in *@msg. @send_fd:
 * descriptor that goes along, or -1. @recv_fd: gets the one that comes back, or -1;
 * may be NULL.
 *
 * Returns 0, what the keeper answered (-ENOENT: it does not know this task), or
 * -EPROTO for a keeper of another version.
 */
int keeper_call(int sock, struct keeper_msg *msg, int send_fd, int *recv_fd)
{
	if (recv_fd)
		*recv_fd = -1;
	return keeper_ask(sock, msg, send_fd) ?: keeper_next(sock, msg, recv_fd);
}

/*
 * When a task was started, in clock ticks since boot: field 22 of /proc/PID/stat.
 *
 * Returns 0, -ESRCH when there is no such task, or -EPROTO.
 */
int task_start_time(int pid, uint64_t *start_time)
{
	struct proc_stat stat;
	long long ticks;

	if (proc_stat_read(pid, &stat))
		return -ESRCH;
	ticks = proc_stat_number(&stat, 22);
	if (ticks < 0)
		return -EPROTO;
	*start_time = ticks;
	return 0;
}
