// SPDX-License-Identifier: GPL-2.0-only
/* The keeper's messages, and how a task is named: criu-plugin/keeper.c. */
#define _GNU_SOURCE
#include "keeper.c"
#include "proc.c"
#include "tap.h"

static void test_messages(void)
{
	struct keeper_msg out = { .magic = KEEPER_MAGIC, .version = KEEPER_VERSION, .op = KEEPER_GET, .pid = 7 },
			  in = {};
	char byte = 'x';
	int s[2], p[2], fd, ret;

	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	check("pipe", pipe(p) == 0);
	ret = msg_send(s[0], &out, sizeof(out), p[1]);
	check("send with a descriptor", ret == 0);
	ret = msg_recv(s[1], &in, sizeof(in), &fd);
	check("receive with a descriptor", ret == 0 && fd >= 0 && in.pid == 7);
	check("the descriptor works", write(fd, &byte, 1) == 1 && read(p[0], &byte, 1) == 1);
	close(fd);

	msg_send(s[0], &out, sizeof(out), -1);
	ret = msg_recv(s[1], &in, sizeof(in), &fd);
	check("receive without one", ret == 0 && fd == -1);

	msg_send(s[0], &out, 5, p[1]);
	ret = msg_recv(s[1], &in, sizeof(in), &fd);
	check("a short message is refused, its descriptor closed", ret == -EPROTO && fd == -1);

	out.version = KEEPER_VERSION + 1;
	msg_send(s[0], &out, sizeof(out), -1);
	check("another version is refused", keeper_next(s[1], &in, NULL) == -EPROTO);

	close(s[0]);
	ret = msg_recv(s[1], &in, sizeof(in), &fd);
	check("the end of a connection is told", ret == -EPIPE && fd == -1);
	close(s[1]);
	close(p[0]);
	close(p[1]);
}

static void test_start_time(void)
{
	uint64_t mine = 0, again = 1, other = 0;

	check("start time of this task", task_start_time(getpid(), &mine) == 0 && mine > 0);
	check("the same each time", task_start_time(getpid(), &again) == 0 && again == mine);
	check("pid 1 is older", task_start_time(1, &other) == 0 && other <= mine);
	check("no such task", task_start_time(1 << 22, &other) == -ESRCH);
}

int main(void)
{
	test_messages();
	test_start_time();
	return tap_done();
}
