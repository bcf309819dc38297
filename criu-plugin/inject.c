// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation
 *
 * A userfaultfd belongs to the mm of whoever creates it, so the task itself has
 * to. Being unprivileged, it would only get one that ignores faults of the
 * kernel, or none at all. /dev/userfaultfd hands out full ones to whoever has it
 * open: so the open device is passed to the task through a socket pair, and the
 * task's ioctl on it makes the userfaultfd.
 *
 *	criu				the task, stopped, with injected syscalls
 *					mmap		a page of scratch
 *					socketpair	a, b
 *	pidfd_getfd a
 *	sendmsg(a, device)
 *					recvmsg(b)	the device arrives
 *					ioctl(USERFAULTFD_IOC_NEW)
 *	pidfd_getfd userfaultfd
 *					close all four, munmap
 *
 * Whatever fails, the task's descriptors and mappings end as they began.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <compel/infect.h>

#include "host.h"
#include "inject.h"
#include "stop.h"
#include "uapi.h"

#define SCRATCH_BYTES 4096ul

/* What the injected system calls read and write, at the start of the scratch page. */
struct scratch {
	int sv[2];
	struct msghdr msg;
	struct iovec iov;
	char byte;
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
};

struct injection {
	int pid;
	int pidfd;
	struct parasite_ctl *ctl;
	unsigned long scratch; /* address in the task, 0: none */
	int fd[4];	       /* the task's descriptors: both sockets, device, userfaultfd */
};

enum { FD_SOCK_A, FD_SOCK_B, FD_DEVICE, FD_UFFD };

/* Returns what the system call returned in the task, or -EIO. */
static long inject(struct injection *in, int nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	long ret;

	if (compel_syscall(in->ctl, nr, &ret, a, b, c, d, -1ul, 0))
		return -EIO;
	return ret;
}

static int scratch_read(struct injection *in, struct scratch *s)
{
	struct iovec local = { s, sizeof(*s) }, remote = { (void *)in->scratch, sizeof(*s) };

	return process_vm_readv(in->pid, &local, 1, &remote, 1, 0) == sizeof(*s) ? 0 : -EIO;
}

static int scratch_write(struct injection *in, struct scratch *s)
{
	struct iovec local = { s, sizeof(*s) }, remote = { (void *)in->scratch, sizeof(*s) };

	return process_vm_writev(in->pid, &local, 1, &remote, 1, 0) == sizeof(*s) ? 0 : -EIO;
}

/* A descriptor of the task, in this process; or -errno. */
static int fetch_fd(struct injection *in, int remote_fd)
{
	int fd = syscall(SYS_pidfd_getfd, in->pidfd, remote_fd, 0);

	return fd < 0 ? -errno : fd;
}

static int send_fd(int sock, int fd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};

	control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
	control.hdr.cmsg_level = SOL_SOCKET;
	control.hdr.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(int));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int make_scratch(struct injection *in)
{
	long ret = inject(in, SYS_mmap, 0, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);

	if (ret < 0 && ret > -SCRATCH_BYTES)
		return ret;
	in->scratch = ret;
	return 0;
}

static int make_sockets(struct injection *in)
{
	struct scratch s;
	long ret;

	ret = inject(in, SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, in->scratch);
	if (ret)
		return ret;
	ret = scratch_read(in, &s);
	if (ret)
		return ret;
	in->fd[FD_SOCK_A] = s.sv[0];
	in->fd[FD_SOCK_B] = s.sv[1];
	return 0;
}

static int pass_device(struct injection *in, int device)
{
	struct scratch s = {};
	int sock, ret;
	long len;

	sock = fetch_fd(in, in->fd[FD_SOCK_A]);
	if (sock < 0)
		return sock;
	ret = send_fd(sock, device);
	close(sock);
	if (ret)
		return ret;

#define REMOTE(field) ((void *)(in->scratch + offsetof(struct scratch, field)))
	s.iov = (struct iovec){ REMOTE(byte), 1 };
	s.msg.msg_iov = REMOTE(iov);
	s.msg.msg_iovlen = 1;
	s.msg.msg_control = REMOTE(control);
	s.msg.msg_controllen = sizeof(s.control.buf);
#undef REMOTE
	ret = scratch_write(in, &s);
	if (ret)
		return ret;
	len = inject(in, SYS_recvmsg, in->fd[FD_SOCK_B], in->scratch + offsetof(struct scratch, msg),
		     MSG_CMSG_CLOEXEC | MSG_DONTWAIT, 0);
	if (len != 1)
		return len < 0 ? len : -EIO;
	ret = scratch_read(in, &s);
	if (ret)
		return ret;
	/* Truncated: the task has no descriptor left. */
	if (s.control.hdr.cmsg_len != CMSG_LEN(sizeof(int)))
		return -EMFILE;
	memcpy(&in->fd[FD_DEVICE], CMSG_DATA(&s.control.hdr), sizeof(int));
	return 0;
}

static int make_userfaultfd(struct injection *in)
{
	long ret = inject(in, SYS_ioctl, in->fd[FD_DEVICE], USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK, 0);

	if (ret < 0)
		return ret;
	in->fd[FD_UFFD] = ret;
	return fetch_fd(in, ret);
}

/* Mostly the descriptors are in a row; each system call in the task has two switches to it. */
static int close_fds(struct injection *in)
{
	int i, n = 0, lo = INT_MAX, hi = -1, ret = 0;

	for (i = 0; i < 4; i++)
		if (in->fd[i] >= 0) {
			lo = in->fd[i] < lo ? in->fd[i] : lo;
			hi = in->fd[i] > hi ? in->fd[i] : hi;
			n++;
		}
	if (n && hi - lo == n - 1 && !inject(in, SYS_close_range, lo, hi, 0, 0))
		return 0;
	for (i = 0; i < 4; i++)
		if (in->fd[i] >= 0 && inject(in, SYS_close, in->fd[i], 0, 0, 0))
			ret = -EIO;
	return ret;
}

static int clean_up(struct injection *in)
{
	int ret = close_fds(in);

	if (in->scratch && inject(in, SYS_munmap, in->scratch, SCRATCH_BYTES, 0, 0))
		ret = -EIO;
	return ret;
}

static int run_injection(struct injection *in, int device)
{
	int uffd, ret;

	ret = make_scratch(in);
	if (!ret)
		ret = make_sockets(in);
	if (!ret)
		ret = pass_device(in, device);
	uffd = ret ?: make_userfaultfd(in);

	ret = clean_up(in);
	if (ret) {
		log_err("can't remove what was injected into %d; its descriptors may differ now\n", in->pid);
		if (uffd >= 0)
			close(uffd);
		return ret;
	}
	return uffd;
}

/*
 * Makes a userfaultfd of the mm of @pid, which is stopped under ptrace by the
 * caller and has nothing injected. @syscall_ip: an executable address in it, whose
 * content is put back.
 *
 * Returns the descriptor (close-on-exec, non-blocking, UFFDIO_API not done yet) or
 * -errno; the task is as before in both cases, except after -EIO.
 */
int inject_userfaultfd(int pid, uint64_t syscall_ip)
{
	struct injection in = { .pid = pid, .pidfd = -1, .fd = { -1, -1, -1, -1 } };
	int device, ret;

	abort_rseq(pid);
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -errno;
	in.pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (in.pidfd < 0) {
		ret = -errno;
		goto out_device;
	}
	in.ctl = compel_prepare_noctx(pid);
	if (!in.ctl) {
		ret = -EIO;
		goto out_pidfd;
	}
	compel_infect_ctx(in.ctl)->syscall_ip = syscall_ip;
	/* System call numbers are those of 64-bit tasks. */
	ret = compel_mode_native(in.ctl) ? run_injection(&in, device) : -EOPNOTSUPP;
	if (compel_cure(in.ctl))
		log_warn("can't release the injection context of %d\n", pid);
out_pidfd:
	close(in.pidfd);
out_device:
	close(device);
	return ret;
}

/* One system call in a stopped task. Returns 0 with its result in *@result, or -errno. */
int inject_syscall(int pid, uint64_t syscall_ip, int nr, long *result, unsigned long a, unsigned long b,
		   unsigned long c)
{
	struct parasite_ctl *ctl = compel_prepare_noctx(pid);
	int ret = 0;

	if (!ctl)
		return -EIO;
	compel_infect_ctx(ctl)->syscall_ip = syscall_ip;
	/* System call numbers are those of 64-bit tasks. */
	if (!compel_mode_native(ctl))
		ret = -EOPNOTSUPP;
	else if (compel_syscall(ctl, nr, result, a, b, c, 0, 0, 0))
		ret = -EIO;
	if (compel_cure(ctl))
		log_warn("can't release the injection context of %d\n", pid);
	return ret;
}
