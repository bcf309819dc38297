// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that are written by other than the task's own stores: reads of a file that bypass
 * the page cache, into pages that are tracked, and read() and AIO of the same file. The
 * kernel takes hold of such a page for writing; if that did not count as written, it would
 * come back with what it had before. The ring that AIO needs is there only right after
 * a pre-dump, which zdtm.py tells: CRIU does not wait for requests that are on their way.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/syscall.h>

#include "frazil.h"

const char *test_doc = "Pages that a file was read into directly are dumped";
const char *test_author = "Frazil";

static char *filename;
TEST_OPTION(filename, string, "file name", 1);

#define PAGES	   1024
#define FILE_PAGES 256
#define RUN	   4

extern int criu_status_in;

/* Each page gets the number of a page of the file, and generation 1. */
static char *mem;
static unsigned int source[PAGES];
static int direct = -1, cached = -1;

static int check(unsigned int page, unsigned int pages)
{
	for (; pages; page++, pages--)
		if (page_check(mem + page * PAGE_BYTES, source[page], source[page] != 0))
			return 1;
	return 0;
}

static void note(unsigned int page, unsigned int from)
{
	unsigned int i;

	for (i = 0; i < RUN; i++)
		source[page + i] = from + i;
}

static int read_some(void)
{
	unsigned int page = any(PAGES - RUN), from = 1 + any(FILE_PAGES - RUN);
	int fd = any(4) ? direct : cached;

	if (check(page, RUN))
		return 1;
	if (pread(fd, mem + page * PAGE_BYTES, RUN * PAGE_BYTES, from * PAGE_BYTES) != RUN * PAGE_BYTES)
		return pr_perror("cannot read page %u of the file", from);
	note(page, from);
	return check(page, RUN);
}

static int read_async(unsigned int times)
{
	struct io_event event;
	aio_context_t ctx = 0;

	if (syscall(__NR_io_setup, 1, &ctx))
		return pr_perror("io_setup");
	while (times--) {
		unsigned int page = any(PAGES - RUN), from = 1 + any(FILE_PAGES - RUN);
		struct iocb cb = {
			.aio_fildes = direct,
			.aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_buf = (uintptr_t)(mem + page * PAGE_BYTES),
			.aio_nbytes = RUN * PAGE_BYTES,
			.aio_offset = from * PAGE_BYTES,
		}, *cbs[] = { &cb };

		if (check(page, RUN))
			return 1;
		if (syscall(__NR_io_submit, ctx, 1, cbs) != 1 ||
		    syscall(__NR_io_getevents, ctx, 1, 1, &event, NULL) != 1 || event.res != RUN * PAGE_BYTES)
			return pr_perror("cannot read page %u of the file asynchronously", from);
		note(page, from);
	}
	return syscall(__NR_io_destroy, ctx) ? pr_perror("io_destroy") : 0;
}

static int after_pre_dump(void)
{
	struct pollfd told = { .fd = criu_status_in, .events = POLLIN };

	if (poll(&told, 1, 0) != 1 || !(told.revents & POLLIN))
		return 0;
	return test_wait_pre_dump() || read_async(64) || test_wait_pre_dump_ack();
}

static int prepare(void)
{
	unsigned int i;

	mem = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cached = open(filename, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (mem == MAP_FAILED || cached < 0)
		return pr_perror("cannot prepare");
	/* Numbers begin with 1: a page of the file that was never read is not there. */
	for (i = 1; i < FILE_PAGES; i++) {
		page_write(mem, i, 1);
		if (pwrite(cached, mem, PAGE_BYTES, i * PAGE_BYTES) != PAGE_BYTES)
			return pr_perror("cannot write the file");
	}
	page_write(mem, 0, 0);
	fsync(cached);
	/* Not every file system can, such as tmpfs before Linux 6.6. */
	direct = open(filename, O_RDONLY | O_DIRECT);
	if (direct < 0)
		direct = open(filename, O_RDONLY);
	return direct < 0 ? pr_perror("cannot open the file again") : read_async(16);
}

int main(int argc, char **argv)
{
	int bad = 0;

	test_init(argc, argv);

	if (prepare())
		return 1;

	test_daemon();
	while (test_go() && !bad) {
		bad = read_some() || after_pre_dump();
		usleep(500);
	}

	return test_end(bad || check(0, PAGES));
}
