/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How frazil_plugin.so and frazil talk to frazild, the keeper.
 *
 * A SOCK_SEQPACKET socket; each request is one struct keeper_msg and is answered
 * by one, the lists by one per entry and one with ENOENT. Descriptors travel beside
 * the message: to the keeper with KEEPER_PUT, from it with KEEPER_GET and KEEPER_FORKS.
 */
#ifndef FRAZIL_KEEPER_H
#define FRAZIL_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#define KEEPER_DIR	   "/run/frazil"
#define KEEPER_PATH_BYTES  64
#define KEEPER_MAGIC	   0x4c5a5246u /* "FRZL" */
#define KEEPER_VERSION	   2
#define ROUND_ID_BYTES	   16
#define TRACKER_NAME_BYTES 16

enum keeper_op {
	KEEPER_PUT = 1, /* keep this task's userfaultfd, in place of an older one */
	KEEPER_GET,	/* a duplicate of it */
	KEEPER_DROP,	/* end tracking */
	KEEPER_LIST,
	/*
	 * The userfaultfds of children that tracked tasks forked. The kernel does not say
	 * which process each belongs to: the caller has to find out, and takes one over
	 * for the task that it turned out to be.
	 */
	KEEPER_FORKS,
	KEEPER_CLAIM,
};

/* Flags of a task's round */
#define KEPT_TELLS_USED (1u << 0) /* it will tell which pages are used */

/* A task is named by pid and start time: a pid alone is used again. */
struct keeper_msg {
	uint32_t magic;
	uint16_t version;
	uint16_t op;
	int32_t error; /* in answers: 0 or an errno */
	int32_t pid;
	uint64_t start_time;		  /* field 22 of /proc/PID/stat, in clock ticks since boot */
	uint64_t since_s;		  /* when the round was armed: seconds since the epoch */
	uint8_t round[ROUND_ID_BYTES];	  /* the images that "written" is relative to */
	char tracker[TRACKER_NAME_BYTES]; /* name in trackers[] */
	uint32_t flags;			  /* KEPT_* */
	uint32_t fork_id;		  /* KEEPER_FORKS, KEEPER_CLAIM: which of them */
};

void keeper_path(char path[KEEPER_PATH_BYTES], const char *suffix);
int keeper_connect(void);
const char *keeper_strerror(int error);
int keeper_ask(int sock, struct keeper_msg *msg, int fd);
int keeper_call(int sock, struct keeper_msg *msg, int send_fd, int *recv_fd);
int keeper_next(int sock, struct keeper_msg *msg, int *fd);

int msg_send(int sock, const void *buf, size_t len, int fd);
int msg_recv(int sock, void *buf, size_t len, int *fd);

int task_start_time(int pid, uint64_t *start_time);

#endif
