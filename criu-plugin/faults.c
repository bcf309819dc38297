// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for a page that has not been saved yet
 *
 * One thread serves the faults of all tasks, in the order in which they come. criu's
 * own thread reads the pages meanwhile. They exclude each other, and who serves faults
 * goes first. A page that is read or saved once is not needed any more: this thread opens
 * it at once, with neighbours, and criu's thread behind itself. After a round of tracking
 * began with this dump no more is opened than what is waited for: the rest is what the task
 * did not use.
 *
 * Nothing is allocated while faults are served: memory may be what the task waits for.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"
#include "freezer.h"
#include "host.h"
#include "page.h"
#include "thread.h"
#include "uapi.h"

/*
 * What is saved and opened with a page that is waited for: as many as the kernel's
 * fault_around_bytes.
 */
#define AROUND_BYTES (64ull << 10)

/*
 * Messages fetched at once: more than a task has threads that wait, mostly, since those
 * about faults come first, and the one about a fork, which others wait for, last.
 */
#define MSGS 256

/* Tasks that are looked at in one go. */
#define TASKS 16

/* Room for pages that are read and then written: a huge page takes 8 times. */
#define BUF_BYTES (256ull << 10)

static struct {
	bool running;
	pthread_t thread;
	int epoll;
	int stop; /* eventfd */
	void *buf;
	/* To be held while tasks, pages and descriptors are used. */
	pthread_mutex_t mutex;
	/* To be held while waiting for it: who gets this one is the next. */
	pthread_mutex_t turn;
} server = {
	.epoll = -1,
	.stop = -1,
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.turn = PTHREAD_MUTEX_INITIALIZER,
};

/* Tasks whose faults are served. */
static unsigned int nr_tasks;

/* To be held by criu's thread for as long as it uses a task whose faults are served. */
void faults_lock(void)
{
	pthread_mutex_lock(&server.turn);
	pthread_mutex_lock(&server.mutex);
	pthread_mutex_unlock(&server.turn);
}

void faults_unlock(void)
{
	pthread_mutex_unlock(&server.mutex);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

/* Whether the page is part of a huge one. */
static bool is_huge(const struct frozen *f, uint64_t addr)
{
	uint64_t page;

	return scan_find(f->pagemap, addr, addr + PAGE_BYTES, PAGE_IS_HUGE, &page) == 1;
}

/*
 * The pages around number *@page at *@start that are to be saved with it, all of them
 * frozen: widens [*@start, *@end), and sets *@page to the first of them. [@from, @to) is the
 * stretch that they are in.
 */
static void widen(const struct frozen *f, uint64_t *page, uint64_t *start, uint64_t *end, uint64_t from, uint64_t to)
{
	uint64_t low = *start & ~(AROUND_BYTES - 1), high = low + AROUND_BYTES, last = *page;

	low = low > from ? low : from;
	high = high < to ? high : to;
	while (*start > low && *page > f->next_page && !frozen_is_saved(f, *page - 1)) {
		*start -= PAGE_BYTES;
		(*page)--;
	}
	while (*end < high && !frozen_is_saved(f, last + 1)) {
		*end += PAGE_BYTES;
		last++;
	}
}

/* Saves pages that a thread waits for. */
static void save_pages(struct frozen *f, uint64_t page, uint64_t start, uint64_t end)
{
	uint64_t pages = (end - start) / PAGE_BYTES;

	/* After an error there is nothing to save for; the task must go on all the same. */
	if (!f->error && !frozen_save(f, page, start, pages, server.buf, BUF_BYTES / PAGE_BYTES))
		f->counts.copied_fault += pages;
}

static bool is_needed(const struct frozen *f, uint64_t page)
{
	return page != NO_PAGE && page >= f->next_page && !frozen_is_saved(f, page);
}

/* Saves what is needed of [start, end). */
static void save_range(struct frozen *f, uint64_t start, uint64_t end)
{
	while (start < end) {
		uint64_t from, to, page = frozen_page(f, start, &from, &to), n = 1;

		if (is_needed(f, page)) {
			while (start + n * PAGE_BYTES < end && start + n * PAGE_BYTES < to && is_needed(f, page + n))
				n++;
			save_pages(f, page, start, start + n * PAGE_BYTES);
		}
		start += n * PAGE_BYTES;
	}
}

/* A thread waits for the page at @addr. */
static void serve_fault(struct frozen *f, uint64_t addr, uint64_t since_us)
{
	uint64_t start = addr & ~(PAGE_BYTES - 1), end = start + PAGE_BYTES, from, to;
	uint64_t page = frozen_page(f, start, &from, &to), wait_us;
	int bucket = 0;

	if (is_huge(f, start)) {
		start &= ~(HUGE_BYTES - 1);
		end = start + HUGE_BYTES;
		save_range(f, start, end);
	} else if (is_needed(f, page)) {
		if (!f->tracked)
			widen(f, &page, &start, &end, from, to);
		save_pages(f, page, start, end);
	}
	f->freezer->open(f, start, end);

	wait_us = now_us() - since_us;
	while (bucket < WAIT_BUCKETS - 1 && wait_us >> bucket)
		bucket++;
	f->counts.waits[bucket]++;
	f->counts.faults++;
	if (wait_us > f->counts.wait_max_us)
		f->counts.wait_max_us = wait_us;
}

/* Messages cannot be read. The dump fails, and the task gets its memory back. */
static void abandon(struct frozen *f, int error)
{
	frozen_fail(f, error, 0);
	epoll_ctl(server.epoll, EPOLL_CTL_DEL, f->uffd, NULL);
	close(f->uffd);
	f->uffd = -1;
}

/*
 * Serves what a task waits for, some of it if it is much, so that others get their turn.
 * @since_us: as far as it is known when the messages came, none of them is older.
 */
static void serve_task(struct frozen *f, uint64_t since_us)
{
	struct uffd_msg msgs[MSGS];
	ssize_t len;
	size_t i;

	faults_lock();
	len = f->ended || f->uffd < 0 ? 0 : read(f->uffd, msgs, sizeof(msgs));
	if (len < 0 && errno != EAGAIN)
		abandon(f, -errno);
	/* Everything is open in a child when this is closed. */
	for (i = 0; len > 0 && i < len / sizeof(*msgs); i++)
		if (msgs[i].event == UFFD_EVENT_FORK)
			close(msgs[i].arg.fork.ufd);
	for (i = 0; len > 0 && i < len / sizeof(*msgs); i++)
		if (msgs[i].event == UFFD_EVENT_PAGEFAULT)
			serve_fault(f, msgs[i].arg.pagefault.address, since_us);
	faults_unlock();
}

static void *serve(void *arg)
{
	struct epoll_event events[TASKS];
	uint64_t idle_us = now_us();

	for (;;) {
		int i, nr = epoll_wait(server.epoll, events, TASKS, 0);

		/* What comes now comes now; what was there is as old as the last look. */
		if (!nr) {
			nr = epoll_wait(server.epoll, events, TASKS, -1);
			idle_us = now_us();
		}
		for (i = 0; i < nr; i++) {
			if (!events[i].data.ptr)
				return NULL;
			serve_task(events[i].data.ptr, idle_us);
		}
		idle_us = nr > 0 ? now_us() : idle_us;
	}
}

static void server_free(void)
{
	if (server.epoll >= 0)
		close(server.epoll);
	if (server.stop >= 0)
		close(server.stop);
	server.epoll = server.stop = -1;
	free(server.buf);
	server.buf = NULL;
}

static int server_start(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ret;

	if (server.running)
		return 0;
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	server.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server.buf = malloc(BUF_BYTES);
	if (server.epoll < 0 || server.stop < 0 || !server.buf ||
	    epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.stop, &ev)) {
		server_free();
		return -ENOMEM;
	}
	/* Not to be allocated when somebody waits. */
	memset(server.buf, 0, BUF_BYTES);

	ret = thread_start(&server.thread, serve, NULL);
	if (ret)
		server_free();
	server.running = !ret;
	return ret;
}

static void server_stop(void)
{
	uint64_t one = 1;

	if (!server.running)
		return;
	if (write(server.stop, &one, sizeof(one)) != sizeof(one))
		log_warn("the thread that serves faults cannot be told to stop\n");
	pthread_join(server.thread, NULL);
	server.running = false;
	server_free();
}

/* From here on faults of this task are served, through @f->uffd. Returns 0 or -errno. */
int faults_begin(struct frozen *f)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = f };
	int ret = server_start();

	if (ret)
		return ret;
	if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, f->uffd, &ev)) {
		ret = -errno;
		if (!nr_tasks)
			server_stop();
		return ret;
	}
	nr_tasks++;
	f->served = true;
	return 0;
}

/* Faults are not served any more; who waits, waits until the userfaultfd is closed. */
void faults_end(struct frozen *f)
{
	if (!f->served)
		return;
	f->served = false;
	faults_lock();
	if (f->uffd >= 0)
		epoll_ctl(server.epoll, EPOLL_CTL_DEL, f->uffd, NULL);
	f->ended = true;
	faults_unlock();
	if (!--nr_tasks)
		server_stop();
}
