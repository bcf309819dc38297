// SPDX-License-Identifier: GPL-2.0
/* Accesses that wait for UFFDIO_CONTINUE, and who gives it to them. */
#define _GNU_SOURCE
#include <poll.h>
#include "lib.h"

/* -- accesses */

bool access_writes(enum access_kind kind)
{
	return kind != ACCESS_READ && kind != ACCESS_SYS_WRITE;
}

/* The kernel's access, from the task's own address space or by /proc. */
static long access_by_kernel(struct access *acc)
{
	u64 value = ACCESS_VALUE;
	struct iovec local = { &value, sizeof(value) };
	struct iovec remote = { acc->addr, sizeof(value) };
	long n = -1;
	int fd[2];

	CHECK(!pipe(fd));
	switch (acc->kind) {
	case ACCESS_SYS_WRITE:
		n = write(fd[1], acc->addr, sizeof(value));
		if (n > 0)
			CHECK(read(fd[0], &acc->word, sizeof(value)) == n);
		break;
	case ACCESS_SYS_READ:
		CHECK(write(fd[1], &value, sizeof(value)) == sizeof(value));
		n = read(fd[0], acc->addr, sizeof(value));
		break;
	case ACCESS_VM_WRITEV:
		n = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
		break;
	default:
		close(fd[0]);
		fd[0] = open_mem(getpid());
		n = pwrite(fd[0], &value, sizeof(value), (uintptr_t)acc->addr);
	}
	if (n >= 0 && n != sizeof(value))
		fail("%ld bytes of %zu", n, sizeof(value));
	n = n < 0 ? -errno : 0;
	close(fd[0]);
	close(fd[1]);
	return n;
}

static void *access_main(void *arg)
{
	struct access *acc = arg;

	switch (acc->kind) {
	case ACCESS_READ:
		acc->word = *(volatile u64 *)acc->addr;
		break;
	case ACCESS_WRITE:
		*(volatile u64 *)acc->addr = ACCESS_VALUE;
		break;
	default:
		acc->result = access_by_kernel(acc);
	}
	acc->done = true;
	return NULL;
}

void access_start(struct access *acc, enum access_kind kind, char *addr)
{
	acc->kind = kind;
	acc->addr = addr;
	acc->result = 0;
	acc->word = 0;
	acc->done = false;
	CHECK(!pthread_create(&acc->thread, NULL, access_main, acc));
}

void access_waits(struct access *acc)
{
	usleep(BLOCKED_MS * 1000);
	if (acc->done)
		fail("the access (kind %d) did not wait", acc->kind);
}

long access_join(struct access *acc)
{
	CHECK(!pthread_join(acc->thread, NULL));
	return acc->result;
}

/* -- messages */

bool has_message(int uffd)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0 && pfd.revents & POLLIN;
}

struct uffd_msg next_message(int uffd)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;
	ssize_t n;

	do {
		if (poll(&pfd, 1, MESSAGE_TIMEOUT_MS) <= 0)
			fail("no message in %d ms", MESSAGE_TIMEOUT_MS);
		n = read(uffd, &msg, sizeof(msg));
	} while (n < 0 && errno == EAGAIN);
	CHECK_EQ(n, sizeof(msg));
	return msg;
}

void expect_message(const char *file, int line, const struct area *a,
		    size_t page, u64 flags)
{
	struct uffd_msg msg = next_message(a->uffd);
	u64 addr = (uintptr_t)page_of(a, page);

	if (msg.event != UFFD_EVENT_PAGEFAULT)
		leave(EXIT_FAIL, "%s:%d: event %#x, not a page fault", file,
		      line, msg.event);
	if (msg.arg.pagefault.flags != flags ||
	    msg.arg.pagefault.address != addr)
		leave(EXIT_FAIL, "%s:%d: message for %#llx with flags %#llx, "
		      "not %#llx with %#llx", file, line,
		      msg.arg.pagefault.address, msg.arg.pagefault.flags,
		      (unsigned long long)addr, (unsigned long long)flags);
}

/* -- UFFDIO_CONTINUE */

int try_continue(const struct area *a, size_t page, size_t pages, u64 mode,
		 s64 *mapped)
{
	struct uffdio_continue cont;
	int err;

	do {
		cont = (struct uffdio_continue){
			.range = { .start = (uintptr_t)page_of(a, page),
				   .len = pages * page_size },
			.mode = mode,
		};
		err = ioctl(a->uffd, UFFDIO_CONTINUE, &cont) ? -errno : 0;
	} while (err == -EAGAIN && cont.mapped <= 0);
	if (mapped)
		*mapped = cont.mapped;
	return err;
}

void do_continue(const struct area *a, size_t page, size_t pages)
{
	s64 mapped;

	CHECK_EQ(try_continue(a, page, pages, 0, &mapped), 0);
	CHECK_EQ(mapped, pages * page_size);
}

void wake(const struct area *a, size_t page, size_t pages)
{
	CHECK_EQ(range_ioctl(a->uffd, UFFDIO_WAKE, (uintptr_t)page_of(a, page),
			     pages * page_size), 0);
}

/* -- a thread that resolves all faults */

/* The page that a message is about, or the first of its unit */
static size_t message_page(const struct area *a, const struct uffd_msg *msg)
{
	const size_t unit = a->unit ? a->unit : 1;
	size_t page;

	if (msg->event != UFFD_EVENT_PAGEFAULT ||
	    !(msg->arg.pagefault.flags & FLAG_MINOR))
		fail("event %#x with flags %#llx, not a minor fault",
		     msg->event, msg->arg.pagefault.flags);
	page = (msg->arg.pagefault.address - (uintptr_t)a->mem) / page_size;
	CHECK(page < a->pages);
	return page - page % unit;
}

size_t resolve(const struct area *a, const struct uffd_msg *msg)
{
	const size_t unit = a->unit ? a->unit : 1;
	size_t page = message_page(a, msg);
	int err;

	err = try_continue(a, page, unit, 0, NULL);
	/* another thread's fault has had it resolved */
	if (err == -EEXIST)
		wake(a, page, unit);
	else
		CHECK_EQ(err, 0);
	return page;
}

static void *handler_main(void *arg)
{
	struct handler *h = arg;
	struct pollfd pfd[2] = {
		{ .fd = h->area->uffd, .events = POLLIN },
		{ .fd = h->stop[0], .events = POLLIN },
	};
	struct uffd_msg msg;

	while (1) {
		CHECK(poll(pfd, 2, -1) > 0);
		if (pfd[1].revents)
			return NULL;
		if (read(h->area->uffd, &msg, sizeof(msg)) != sizeof(msg)) {
			CHECK(errno == EAGAIN);
			continue;
		}
		/* Before the thread goes on that may ask for the number. */
		h->messages[message_page(h->area, &msg)]++;
		resolve(h->area, &msg);
	}
}

void handler_start(struct handler *h, const struct area *a)
{
	h->area = a;
	for (size_t p = 0; p < MAX_PAGES; p++)
		h->messages[p] = 0;
	CHECK(!pipe(h->stop));
	CHECK(!pthread_create(&h->thread, NULL, handler_main, h));
}

void handler_stop(struct handler *h)
{
	close(h->stop[1]);
	CHECK(!pthread_join(h->thread, NULL));
	close(h->stop[0]);
}

size_t handler_count(const struct handler *h, size_t page)
{
	return h->messages[page];
}
