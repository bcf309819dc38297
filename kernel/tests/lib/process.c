// SPDX-License-Identifier: GPL-2.0
/* Other processes, and looks at an area's memory from outside. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <linux/io_uring.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include "lib.h"

void peek(const struct area *a, pid_t pid, size_t page, void *buf)
{
	struct iovec local = { .iov_base = buf, .iov_len = page_size };
	struct iovec remote = { .iov_base = page_of(a, page),
				.iov_len = page_size };

	CHECK_EQ(process_vm_readv(pid, &local, 1, &remote, 1, 0), page_size);
}

void peek_pages(const struct area *a, pid_t pid, rule_t rule, u64 seed)
{
	u64 buf[page_size / sizeof(u64)];

	for (size_t p = 0; p < a->pages; p++) {
		if (!rule(p))
			continue;
		peek(a, pid, p, buf);
		check_words(buf, p, seed);
	}
}

void join_child(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	if (WIFSIGNALED(status))
		fail("child killed by signal %d", WTERMSIG(status));
}

static void __attribute__((noreturn)) target_main(struct area *a, u64 features,
						  u64 mode, int sock, int go)
{
	char c = 0;

	write_pages(a, all, 1);
	area_register(a, features, mode);
	if (mode & UFFDIO_REGISTER_MODE_WP)
		arm(a);
	deactivate(a);
	send_fd(sock, a->uffd);
	CHECK(read(go, &c, 1) == 0);
	_exit(0);
}

struct target target_start(struct area *a, u64 features, u64 mode)
{
	int sock[2], go[2];
	struct target t;

	area_map(a, PAGES, page_size);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sock) && !pipe(go));
	t.pid = fork();
	CHECK(t.pid >= 0);
	if (!t.pid) {
		close(go[1]);
		target_main(a, features, mode, sock[1], go[0]);
	}
	close(sock[1]);
	close(go[0]);
	a->uffd = recv_fd(sock[0]);
	if (a->uffd < 0)
		join_child(t.pid);
	close(sock[0]);
	t.go = go[1];
	a->pagemap = open_pagemap(t.pid);
	EXPECT(a, all, DEACT, DEACT, 0);
	return t;
}

void target_end(struct target *t)
{
	close(t->go);
	join_child(t->pid);
}

void send_fd(int sock, int fd)
{
	char c = 0, ctl[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = ctl,
			      .msg_controllen = sizeof(ctl) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	CHECK(sendmsg(sock, &msg, 0) == 1);
}

int recv_fd(int sock)
{
	char c, ctl[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = ctl,
			      .msg_controllen = sizeof(ctl) };
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

int open_mem(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		skip("%s: %s", path, strerror(errno));
	return fd;
}

void ptrace_stop(pid_t pid)
{
	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL))
		skip("PTRACE_ATTACH: %s", strerror(errno));
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

void poke_vm_writev(const struct area *a, pid_t pid, size_t page)
{
	u64 buf[page_size / sizeof(u64)];
	struct iovec local = { .iov_base = buf, .iov_len = page_size };
	struct iovec remote = { .iov_base = page_of(a, page),
				.iov_len = page_size };

	fill_words(buf, page, 2);
	CHECK_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), page_size);
}

void poke_proc_mem(const struct area *a, pid_t pid, size_t page)
{
	u64 buf[page_size / sizeof(u64)];
	int fd = open_mem(pid);

	fill_words(buf, page, 2);
	CHECK_EQ(pwrite(fd, buf, page_size, (uintptr_t)page_of(a, page)),
		 page_size);
	close(fd);
}

static sigjmp_buf signal_env;

static void on_signal(int sig)
{
	siglongjmp(signal_env, sig);
}

void expect_signal(int sig, char *addr, bool write)
{
	struct sigaction sa = { .sa_handler = on_signal };

	CHECK(!sigaction(sig, &sa, NULL));
	if (!sigsetjmp(signal_env, 1)) {
		if (write)
			*(volatile char *)addr = 0;
		else
			(void)*(volatile char *)addr;
		fail("no signal %d at %p", sig, addr);
	}
	signal(sig, SIG_DFL);
}

void expect_ordinary(const struct area *a, u64 seed)
{
	EXPECT(a, all, DEACT | PRESENT, PRESENT, 0);
	check_pages(a, all, seed);
	write_pages(a, all, 9);
	check_pages(a, all, 9);
}

static void __attribute__((noreturn)) fork_child(struct area *a)
{
	long faults = numa_hint_faults();

	a->pagemap = open_pagemap(getpid());
	EXPECT(a, all, DEACT | PRESENT, PRESENT, 0);
	check_pages(a, even, 1);
	write_pages(a, all, 5);
	check_pages(a, all, 5);
	CHECK_EQ(numa_hint_faults() - faults, 0);
	_exit(0);
}

void expect_fork_isolates(struct area *a)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		fork_child(a);
	join_child(pid);
	EXPECT(a, all, DEACT | WRITTEN, DEACT, 0);
	check_pages(a, all, 1);
	EXPECT(a, all, DEACT | WRITTEN, 0, 0);
}

void expect_mremap_frees(struct area *a, size_t align, size_t shift)
{
	size_t len = a->pages * page_size;
	struct area to;
	long faults;
	char *mem;

	area_map(&to, a->pages + shift, align);
	mem = mremap(a->mem, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
		     page_of(&to, shift));
	CHECK(mem == page_of(&to, shift));
	a->mem = mem;
	faults = numa_hint_faults();
	expect_ordinary(a, 1);
	CHECK_EQ(numa_hint_faults() - faults, 0);
	CHECK_EQ(try_deactivate(a, 0, a->pages), -ENOENT);
}

int ring_pin_middle(const struct area *a)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { .iov_base = page_of(a, PAGES / 3),
			     .iov_len = PAGES / 3 * page_size };
	int fd = syscall(SYS_io_uring_setup, 1, &params);

	if (fd < 0)
		skip("io_uring_setup: %s", strerror(errno));
	CHECK(!syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov,
		       1));
	return fd;
}

void ring_unpin(int ring)
{
	CHECK(!syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS,
		       NULL, 0));
}
