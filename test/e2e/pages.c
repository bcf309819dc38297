// SPDX-License-Identifier: GPL-2.0-only
/*
 * pages - a process that knows what each of its pages must hold
 *
 * Theory of operation
 *
 * The process owns a private anonymous region. CRIU pre-dumps, dumps and
 * restores it, and a test drives it with signals: SIGUSR1 writes some pages
 * and reads others (one "round"), SIGUSR2 verifies all of them. It answers
 * by appending lines to a report file, opened and closed each time, because
 * no descriptor may stay open across a checkpoint.
 *
 * What a page must hold follows from (seed, page, generation), where the
 * generation is the last round that wrote the page. Which round wrote which
 * page follows from (seed, round): each round orders the writable pages by a
 * keyed permutation and writes the first W of them. The permutation needs no
 * memory (so choosing pages dirties none) and it can be inverted, so verify
 * finds the generation of any page from the seed and the number of rounds
 * alone. That is the authority. There are two witnesses, and both have to
 * agree with it:
 *
 *  - the page, which carries its number, its generation and a pattern;
 *  - the table, in its own mapping, with one u32 for each page.
 *
 * A page that reverts to an old version disagrees, and so does a reverted
 * table. A reverted round counter makes both disagree. If everything reverts
 * together, only the G of the report line shows it: tests must check G.
 *
 * A round writes pages without looking at their old content (a read first
 * would make another kind of page fault), so it can hide damage: verify
 * first, then run the next round.
 *
 * Writing the table dirties memory too, so the round line counts the table
 * pages. W + T is all that a round dirties, besides stack, data and heap.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB_BYTES	(1024ULL * 1024)
#define HUGE_BYTES	(2 * MIB_BYTES)
#define MAX_MIB		65536
#define MARKS		7	/* words of a page that are not zero */
#define HEADER_MARK	1	/* the one that is the page number and generation */
#define LINE_BYTES	512
/* Enough for the table of MAX_MIB in pages of 4 KiB, the smallest there are. */
#define MAX_TABLE_PAGES	(MAX_MIB * 256 / 1024)

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

struct options {
	uint64_t mib, write_percent, read_percent, seed, hole_every, tail_percent;
	const char *report;
	bool detach, huge, child, same_reads, self_test;
};

/*
 * Counts are pages. "Index" numbers the pages that are not holes, in address
 * order: indexes below @writable may be written, the rest is the tail.
 */
struct region {
	uint64_t *base;
	uint32_t *table;	/* generation + 1 of each page; 0: a hole */
	uint64_t seed, hole_every;
	uint64_t pages, tail_start, populated, writable;
	uint64_t write_pages, read_pages;
	size_t page_bytes, page_words, bytes, table_bytes;
	size_t mark[MARKS];	/* ascending word numbers */
	uint32_t rounds;
	bool same_reads;
};

struct verdict {
	uint64_t bad_pages, bad_entries;
	char page_text[LINE_BYTES / 3];
	char entry_text[LINE_BYTES / 3];
};

struct round {
	uint64_t written, read, table_pages;
};

/* ---- which pages: a keyed permutation ---- */

struct permutation {
	uint64_t key, count, half_mask;
	unsigned int half_bits;
};

enum { KEY_WRITE = 1, KEY_READ = 2 };

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static struct permutation permutation_of(uint64_t seed, uint32_t round,
					 unsigned int use, uint64_t count)
{
	struct permutation p = {
		.key = mix(mix(seed) ^ ((uint64_t)round << 8) ^ use),
		.count = count,
		.half_bits = 1,
	};

	while (2 * p.half_bits < 64 && (count - 1) >> (2 * p.half_bits))
		p.half_bits++;
	p.half_mask = (1ULL << p.half_bits) - 1;
	return p;
}

/*
 * Maps @x to its place in the permutation of 0 .. count - 1, or back if
 * @inverse. A Feistel network permutes the next power of four; a result
 * outside the range is mapped again until it falls inside.
 */
static uint64_t permute(const struct permutation *p, uint64_t x, bool inverse)
{
	do {
		uint64_t left = x >> p->half_bits, right = x & p->half_mask;

		for (int i = 0; i < 4; i++) {
			uint64_t key = p->key + (inverse ? 3 - i : i);
			uint64_t from = inverse ? left : right;
			uint64_t to = inverse ? right : left;

			to ^= mix(from ^ mix(key)) & p->half_mask;
			left = inverse ? to : from;
			right = inverse ? from : to;
		}
		x = left << p->half_bits | right;
	} while (x >= p->count);
	return x;
}

static bool is_hole(const struct region *r, uint64_t page)
{
	return r->hole_every && page % r->hole_every == r->hole_every - 1;
}

/* The number of pages below @page that are not holes. */
static uint64_t index_of(const struct region *r, uint64_t page)
{
	return r->hole_every ? page - page / r->hole_every : page;
}

static uint64_t page_of(const struct region *r, uint64_t index)
{
	return r->hole_every ? index + index / (r->hole_every - 1) : index;
}

/* The @i-th page that @round writes; @i is below write_pages. */
static uint64_t write_target(const struct region *r, uint32_t round, uint64_t i)
{
	struct permutation p = permutation_of(r->seed, round, KEY_WRITE,
					      r->writable);

	return page_of(r, permute(&p, i, false));
}

/*
 * The @i-th page that @round reads; @i is below read_pages. Chosen among the
 * writable pages that the round does not write and the tail, so the two sets
 * cannot meet.
 */
static uint64_t read_target(const struct region *r, uint32_t any_round, uint64_t i)
{
	/* A working set is the same pages, scattered, in each round. */
	uint32_t round = r->same_reads ? 1 : any_round;
	uint64_t spared = r->writable - r->write_pages;
	struct permutation p = permutation_of(r->seed, round, KEY_READ,
					      r->populated - r->write_pages);
	uint64_t choice = permute(&p, i, false);

	if (choice < spared)
		return write_target(r, round, r->write_pages + choice);
	return page_of(r, r->writable + choice - spared);
}

/* The last round that wrote @page, from the seed and r->rounds alone. */
static uint32_t expected_generation(const struct region *r, uint64_t page)
{
	uint64_t index = index_of(r, page);

	if (is_hole(r, page) || index >= r->writable || !r->write_pages)
		return 0;
	for (uint32_t round = r->rounds; round; round--) {
		struct permutation p = permutation_of(r->seed, round, KEY_WRITE,
						      r->writable);

		if (permute(&p, index, true) < r->write_pages)
			return round;
	}
	return 0;
}

/* ---- what is in them ---- */

static uint64_t *page_at(const struct region *r, uint64_t page)
{
	return r->base + page * r->page_words;
}

static uint64_t mark_value(uint64_t seed, uint64_t page, uint32_t generation,
			   int mark)
{
	uint64_t header = page | (uint64_t)generation << 32;

	if (mark == HEADER_MARK)
		return header;
	return mix(mix(mix(seed) ^ header) + mark);
}

static void write_page(const struct region *r, uint64_t page,
		       uint32_t generation)
{
	uint64_t *words = page_at(r, page);

	for (int m = 0; m < MARKS; m++)
		words[r->mark[m]] = mark_value(r->seed, page, generation, m);
}

/*
 * The first word of @words that @page in @generation may not hold (all must
 * be zero if @zero), or r->page_words if there is none. @want, if not NULL,
 * gets what belongs there.
 */
static size_t find_wrong_word(const struct region *r, const uint64_t *words,
			      uint64_t page, uint32_t generation, bool zero,
			      uint64_t *want)
{
	int m = 0;

	for (size_t i = 0; i < r->page_words; i++) {
		uint64_t value = 0;

		if (m < MARKS && i == r->mark[m]) {
			if (!zero)
				value = mark_value(r->seed, page, generation, m);
			m++;
		}
		if (words[i] != value) {
			if (want)
				*want = value;
			return i;
		}
	}
	return r->page_words;
}

/* Says in @text what the wrong page @page should be and what it is instead. */
static void describe_page(const struct region *r, uint64_t page,
			  uint32_t generation, char *text, size_t size)
{
	const uint64_t *words = page_at(r, page);
	uint64_t header = words[r->mark[HEADER_MARK]], want = 0;
	uint64_t other = header & UINT32_MAX;
	uint32_t other_generation = header >> 32;
	char expected[64] = "zero";
	size_t wrong;

	if (!is_hole(r, page))
		snprintf(expected, sizeof(expected),
			 "page %" PRIu64 " generation %" PRIu32, page, generation);
	wrong = find_wrong_word(r, words, page, generation, is_hole(r, page),
				&want);
	if (find_wrong_word(r, words, 0, 0, true, NULL) == r->page_words)
		snprintf(text, size, "%" PRIu64 " expected %s found zero",
			 page, expected);
	else if (find_wrong_word(r, words, other, other_generation, false,
				 NULL) == r->page_words)
		snprintf(text, size, "%" PRIu64 " expected %s found page %" PRIu64
			 " generation %" PRIu32, page, expected, other,
			 other_generation);
	else
		snprintf(text, size, "%" PRIu64 " expected %s found word %zu 0x%016"
			 PRIx64 " not 0x%016" PRIx64, page, expected, wrong,
			 words[wrong], want);
}

static void describe_entry(uint64_t page, uint32_t want, uint32_t found,
			   char *text, size_t size)
{
	char generation[2][32] = { "none", "none" };

	if (want)
		snprintf(generation[0], sizeof(generation[0]), "%" PRIu32, want - 1);
	if (found)
		snprintf(generation[1], sizeof(generation[1]), "%" PRIu32, found - 1);
	snprintf(text, size, "%" PRIu64 " expected generation %s found generation %s",
		 page, generation[0], generation[1]);
}

/*
 * Compares every page and every table entry with what they must hold. Only
 * reads; a hole that is read gets the kernel's shared zero page mapped.
 */
static struct verdict verify(const struct region *r)
{
	struct verdict v = { 0 };

	for (uint64_t page = 0; page < r->pages; page++) {
		bool hole = is_hole(r, page);
		uint32_t generation = expected_generation(r, page);
		uint32_t entry = hole ? 0 : generation + 1;

		if (find_wrong_word(r, page_at(r, page), page, generation, hole,
				    NULL) != r->page_words && !v.bad_pages++)
			describe_page(r, page, generation, v.page_text,
				      sizeof(v.page_text));
		if (r->table[page] != entry && !v.bad_entries++)
			describe_entry(page, entry, r->table[page], v.entry_text,
				       sizeof(v.entry_text));
	}
	return v;
}

/* Formats @v, one line for the pages and one for the table if both are bad. */
static void format_verdict(const struct region *r, const struct verdict *v,
			   const char *who, char *text, size_t size)
{
	size_t used = 0;

	if (!v->bad_pages && !v->bad_entries)
		snprintf(text, size, "%sverify %" PRIu32 " ok %" PRIu64 "\n",
			 who, r->rounds, r->pages);
	if (v->bad_pages)
		used = snprintf(text, size, "%sverify %" PRIu32 " bad %" PRIu64
				" first %s\n", who, r->rounds, v->bad_pages,
				v->page_text);
	if (v->bad_entries)
		snprintf(text + used, size - used, "%sverify %" PRIu32
			 " bad table %" PRIu64 " first %s\n", who, r->rounds,
			 v->bad_entries, v->entry_text);
}

/* Runs the next round; returns how many distinct pages it wrote and read. */
static struct round run_round(struct region *r)
{
	/* On the stack: it may not dirty memory that a test cannot foresee. */
	uint64_t seen[MAX_TABLE_PAGES / 64] = { 0 };
	struct round done = { .written = r->write_pages, .read = r->read_pages };
	uint32_t round = ++r->rounds;

	for (uint64_t i = 0; i < r->write_pages; i++) {
		uint64_t page = write_target(r, round, i);
		uint64_t table_page = page * sizeof(*r->table) / r->page_bytes;
		uint64_t bit = 1ULL << table_page % 64;

		write_page(r, page, round);
		r->table[page] = round + 1;
		done.table_pages += !(seen[table_page / 64] & bit);
		seen[table_page / 64] |= bit;
	}
	for (uint64_t i = 0; i < r->read_pages; i++)
		(void)*(volatile uint64_t *)page_at(r, read_target(r, round, i));
	return done;
}

/* ---- the region ---- */

static uint64_t percent_of(uint64_t count, uint64_t percent)
{
	return (count * percent + 99) / 100;
}

/* Computes the sizes; maps nothing. @o has passed check_options(). */
static void region_plan(struct region *r, const struct options *o)
{
	size_t page_bytes = sysconf(_SC_PAGESIZE);
	size_t words = page_bytes / sizeof(uint64_t);

	*r = (struct region) {
		.seed = o->seed,
		.same_reads = o->same_reads,
		.hole_every = o->hole_every,
		.page_bytes = page_bytes,
		.page_words = words,
		.bytes = o->mib * MIB_BYTES,
		.pages = o->mib * MIB_BYTES / page_bytes,
		.mark = { 0, 1, 2, words / 2 - 1, words / 2, words - 2, words - 1 },
	};
	r->table_bytes = r->pages * sizeof(*r->table);
	r->table_bytes = (r->table_bytes + page_bytes - 1) / page_bytes * page_bytes;
	r->tail_start = r->pages - r->pages * o->tail_percent / 100;
	r->populated = index_of(r, r->pages);
	r->writable = index_of(r, r->tail_start);
	r->write_pages = percent_of(r->populated, o->write_percent);
	if (r->write_pages > r->writable)
		r->write_pages = r->writable;
	r->read_pages = percent_of(r->populated, o->read_percent);
	if (r->read_pages > r->populated - r->write_pages)
		r->read_pages = r->populated - r->write_pages;
}

/*
 * Maps @bytes of private memory in small pages or, if @huge, aligned for huge
 * ones. Without @huge, huge pages are forbidden: where they are the default
 * (Debian), one write would dirty 512 pages and holes would be filled.
 * Returns MAP_FAILED with errno set.
 */
static void *map_private(size_t bytes, bool huge)
{
	size_t slack = huge ? HUGE_BYTES : 0;
	size_t lead = 0;
	char *map = mmap(NULL, bytes + slack, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return MAP_FAILED;
	if (huge) {
		lead = -(uintptr_t)map % HUGE_BYTES;
		if (lead)
			munmap(map, lead);
		munmap(map + lead + bytes, slack - lead);
	}
	map += lead;
	/* EINVAL: a kernel without huge pages; there is nothing to forbid. */
	if (madvise(map, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) &&
	    (huge || errno != EINVAL)) {
		int saved = errno;

		munmap(map, bytes);
		errno = saved;
		return MAP_FAILED;
	}
	return map;
}

/* Safe after a failed region_init(). */
static void region_fini(struct region *r)
{
	if (r->base)
		munmap(r->base, r->bytes);
	if (r->table)
		munmap(r->table, r->table_bytes);
	r->base = NULL;
	r->table = NULL;
}

static int protect_tail(const struct region *r, int protection)
{
	if (r->tail_start == r->pages)
		return 0;
	return mprotect(page_at(r, r->tail_start),
			(r->pages - r->tail_start) * r->page_bytes,
			protection) ? -errno : 0;
}

/*
 * Maps the region and its table and writes generation 0. Returns 0 or -errno;
 * call region_fini() in either case.
 */
static int region_init(struct region *r, const struct options *o)
{
	void *map;

	region_plan(r, o);
	map = map_private(r->bytes, o->huge);
	if (map == MAP_FAILED)
		return -errno;
	r->base = map;
	map = map_private(r->table_bytes, false);
	if (map == MAP_FAILED)
		return -errno;
	r->table = map;
	for (uint64_t page = 0; page < r->pages; page++) {
		if (is_hole(r, page))
			continue;
		write_page(r, page, 0);
		r->table[page] = 1;
	}
	return protect_tail(r, PROT_READ);
}

/* ---- the service ---- */

/* Half a line would run into the next one. Returns the error to report. */
static int take_back(int fd, ssize_t written)
{
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < written || ftruncate(fd, end - written))
		return -EIO;
	return -ENOSPC;
}

/*
 * Appends @text to the report in one write, so that the lines of parent and
 * child do not mix. A failure is only told: the process must outlive a full
 * disk, and the test sees that its line is missing. Returns 0 or -errno.
 */
static int report(const char *path, const char *text)
{
	size_t length = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
		      0644);
	int ret = 0;
	ssize_t done;

	if (fd < 0) {
		ret = -errno;
	} else {
		done = write(fd, text, length);
		if (done < 0)
			ret = -errno;
		else if ((size_t)done != length)
			ret = take_back(fd, done);
		if (close(fd) && !ret)
			ret = -errno;
	}
	if (ret)
		fprintf(stderr, "pages: cannot append to report %s: %s\n", path,
			strerror(-ret));
	return ret;
}

__attribute__((format(printf, 2, 3)))
static int reportf(const char *path, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	return report(path, line);
}

static void report_verdict(const struct region *r, const char *path,
			   const char *who)
{
	struct verdict v = verify(r);
	char text[LINE_BYTES];

	format_verdict(r, &v, who, text, sizeof(text));
	report(path, text);
}

static const int service_signals[] = { SIGUSR1, SIGUSR2, SIGTERM, SIGCHLD };

static void fill_service_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(service_signals) / sizeof(int); i++)
		sigaddset(set, service_signals[i]);
}

/* The next signal of the service. CRIU interrupts the wait: go on waiting. */
static int next_signal(void)
{
	sigset_t set;
	int sig;

	fill_service_set(&set);
	do {
		sig = sigwaitinfo(&set, NULL);
	} while (sig < 0 && (errno == EINTR || errno == EAGAIN));
	if (sig < 0) {
		perror("pages: sigwaitinfo");
		exit(EXIT_RUNTIME);
	}
	return sig;
}

/* Never returns. The child runs no rounds: its copy stays as it was forked. */
static void serve_child(const struct region *r, const char *path)
{
	for (;;) {
		switch (next_signal()) {
		case SIGUSR2:
			report_verdict(r, path, "child ");
			break;
		case SIGTERM:
			_exit(0);
		}
	}
}

/* @child is 0 without --child. Never returns. */
static void serve(struct region *r, const char *path, pid_t child)
{
	struct round done;
	int status;

	for (;;) {
		switch (next_signal()) {
		case SIGUSR1:
			done = run_round(r);
			reportf(path, "round %" PRIu32 " wrote %" PRIu64 " read %"
				PRIu64 " table %" PRIu64 "\n", r->rounds,
				done.written, done.read, done.table_pages);
			break;
		case SIGUSR2:
			report_verdict(r, path, "");
			if (child)
				kill(child, SIGUSR2);
			break;
		case SIGCHLD:
			/* A tracer's stops wake us too; only an end counts. */
			if (child && waitpid(child, &status, WNOHANG) == child) {
				reportf(path, "child gone status 0x%x\n", status);
				child = 0;
			}
			break;
		case SIGTERM:
			if (child && !kill(child, SIGTERM))
				waitpid(child, NULL, 0);
			exit(0);
		}
	}
}

static void die_errno(const char *what, int error)
{
	fprintf(stderr, "pages: %s: %s\n", what, strerror(error));
	exit(EXIT_RUNTIME);
}

/* Leaves /dev/null as stdin, stdout and stderr. */
static void redirect_to_null(void)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		die_errno("cannot open /dev/null", errno);
	for (int std = 0; std <= 2; std++)
		if (dup2(fd, std) < 0)
			die_errno("cannot redirect to /dev/null", errno);
	if (fd > 2)
		close(fd);
}

/*
 * Closes what was inherited (CRIU may not be able to dump it) and makes sure
 * that 0, 1 and 2 are taken, so that no later open() lands there.
 */
static void tidy_descriptors(void)
{
	int fd;

	if (close_range(3, UINT_MAX, 0))
		die_errno("close_range", errno);
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	if (fd < 0)
		die_errno("cannot open /dev/null", errno);
	close(fd);
}

/*
 * Forks into a new session. Returns, in the child only, a descriptor: write
 * one byte to it when ready and close it. The parent waits until nobody holds
 * it any more, so the descriptors are final when it prints the pid.
 */
static int detach(void)
{
	int fds[2], status;
	bool ready = false;
	char byte;
	pid_t pid;

	if (pipe(fds))
		die_errno("pipe", errno);
	pid = fork();
	if (pid < 0)
		die_errno("fork", errno);
	if (!pid) {
		close(fds[0]);
		if (setsid() < 0)
			die_errno("setsid", errno);
		if (chdir("/"))
			die_errno("chdir to /", errno);
		return fds[1];
	}
	close(fds[1]);
	while (read(fds[0], &byte, 1) == 1)
		ready = true;
	if (ready) {
		printf("%d\n", pid);
		exit(fflush(stdout) ? EXIT_RUNTIME : 0);
	}
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		exit(WEXITSTATUS(status) ? : EXIT_RUNTIME);
	fprintf(stderr, "pages: the background process died before it was ready\n");
	exit(EXIT_RUNTIME);
}

static void block_signals(void)
{
	sigset_t set;

	/* An inherited SIG_IGN would lose a signal, or the child's status. */
	for (size_t i = 0; i < sizeof(service_signals) / sizeof(int); i++)
		signal(service_signals[i], SIG_DFL);
	fill_service_set(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

/* Forks the copy-on-write child; @ready is as from detach(), or -1. */
static pid_t fork_child(const struct region *r, const struct options *o,
			int ready)
{
	pid_t pid = fork();

	if (pid < 0)
		die_errno("fork of the copy-on-write child", errno);
	if (pid)
		return pid;
	if (o->detach)
		redirect_to_null();
	if (ready >= 0)
		close(ready);
	serve_child(r, o->report);
	return 0;
}

/* Sets everything up and serves; never returns. */
static void start(const struct options *o)
{
	static struct region r;
	int ready = -1, ret;
	pid_t child = 0;

	tidy_descriptors();
	if (report(o->report, ""))
		exit(EXIT_USAGE);
	if (o->detach)
		ready = detach();
	block_signals();
	ret = region_init(&r, o);
	if (ret)
		die_errno(o->huge ? "cannot set up the region (--huge needs "
			  "transparent huge pages)" : "cannot set up the region",
			  -ret);
	if (o->child)
		child = fork_child(&r, o, ready);
	reportf(o->report, "ready %d pages %" PRIu64 " populated %" PRIu64
		" writable %" PRIu64 " region 0x%" PRIxPTR " table 0x%" PRIxPTR
		" child %d\n", getpid(), r.pages, r.populated, r.writable,
		(uintptr_t)r.base, (uintptr_t)r.table, child);
	if (o->detach) {
		redirect_to_null();
		if (write(ready, "r", 1) != 1)
			exit(EXIT_RUNTIME);
		close(ready);
	} else {
		printf("%d\n", getpid());
		fflush(stdout);
	}
	serve(&r, o->report, child);
}

/* ---- the self-test: the verifier must see damage ---- */

/* A region after some rounds, and a copy to mend it with. */
struct lab {
	struct region r;
	uint64_t *copy;
	uint32_t *table_copy;
	uint32_t rounds;
	uint64_t victim, other;	/* both written in the last round */
	char want[LINE_BYTES];	/* must be in the report */
	unsigned int passed, failed, skipped;
};

__attribute__((format(printf, 3, 4)))
static void check(struct lab *lab, bool good, const char *format, ...)
{
	va_list ap;

	printf("%sok %u - ", good ? "" : "not ",
	       ++*(good ? &lab->passed : &lab->failed) +
	       (good ? lab->failed : lab->passed) + lab->skipped);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

#define WANT(lab, ...) snprintf((lab)->want, sizeof((lab)->want), __VA_ARGS__)
#define WANT_VICTIM(lab, format, ...) \
	WANT(lab, " bad 1 first %" PRIu64 " expected page %" PRIu64 \
	     " generation %" PRIu32 " found " format, (lab)->victim, \
	     (lab)->victim, (lab)->rounds, ##__VA_ARGS__)

static void damage_stale(struct lab *lab)
{
	write_page(&lab->r, lab->victim, lab->rounds - 1);
	WANT_VICTIM(lab, "page %" PRIu64 " generation %" PRIu32 "\n", lab->victim,
		    lab->rounds - 1);
}

static void damage_swapped(struct lab *lab)
{
	uint64_t *a = page_at(&lab->r, lab->victim);
	uint64_t *b = page_at(&lab->r, lab->other);

	for (size_t i = 0; i < lab->r.page_words; i++) {
		uint64_t word = a[i];

		a[i] = b[i];
		b[i] = word;
	}
	WANT(lab, " bad 2 first %" PRIu64 " ", lab->victim < lab->other ?
	     lab->victim : lab->other);
}

static void damage_copied(struct lab *lab)
{
	memcpy(page_at(&lab->r, lab->victim), page_at(&lab->r, lab->other),
	       lab->r.page_bytes);
	WANT_VICTIM(lab, "page %" PRIu64 " generation %" PRIu32 "\n", lab->other,
		    lab->rounds);
}

static void damage_zeroed(struct lab *lab)
{
	memset(page_at(&lab->r, lab->victim), 0, lab->r.page_bytes);
	WANT_VICTIM(lab, "zero\n");
}

static void flip(struct lab *lab, size_t word)
{
	page_at(&lab->r, lab->victim)[word] ^= 1ULL << 63;
	WANT_VICTIM(lab, "word %zu ", word);
}

static void damage_first_word(struct lab *lab)
{
	flip(lab, 0);
}

static void damage_header(struct lab *lab)
{
	flip(lab, lab->r.mark[HEADER_MARK]);
}

static void damage_middle_word(struct lab *lab)
{
	flip(lab, lab->r.page_words / 2);
}

static void damage_last_word(struct lab *lab)
{
	flip(lab, lab->r.page_words - 1);
}

static void damage_unmarked_word(struct lab *lab)
{
	flip(lab, lab->r.page_words / 4);
}

/* The first half of the new version, the second of the old one. */
static void damage_torn(struct lab *lab)
{
	size_t half = lab->r.page_words / 2;
	uint64_t *words = page_at(&lab->r, lab->victim);

	write_page(&lab->r, lab->victim, lab->rounds - 1);
	memcpy(words, lab->copy + lab->victim * lab->r.page_words,
	       half * sizeof(*words));
	WANT_VICTIM(lab, "word %zu ", half);
}

static void damage_other_seed(struct lab *lab)
{
	lab->r.seed++;
	write_page(&lab->r, lab->victim, lab->rounds);
	lab->r.seed--;
	WANT_VICTIM(lab, "word 0 ");
}

static void damage_hole(struct lab *lab)
{
	uint64_t hole = lab->r.hole_every - 1;

	page_at(&lab->r, hole)[5] = 1;
	WANT(lab, " bad 1 first %" PRIu64 " expected zero found word 5 ", hole);
}

static void damage_tail(struct lab *lab)
{
	uint64_t page = page_of(&lab->r, lab->r.populated - 1);
	uint64_t *words = page_at(&lab->r, page);
	uint32_t generation = words[lab->r.mark[HEADER_MARK]] >> 32;

	memset(words, 0, lab->r.page_bytes);
	WANT(lab, " bad 1 first %" PRIu64 " expected page %" PRIu64
	     " generation %" PRIu32 " found zero\n", page, page, generation);
}

static void damage_table_entry(struct lab *lab)
{
	lab->r.table[lab->victim]--;
	WANT(lab, "verify %" PRIu32 " bad table 1 first %" PRIu64 " expected "
	     "generation %" PRIu32 " found generation %" PRIu32 "\n", lab->rounds,
	     lab->victim, lab->rounds, lab->rounds - 1);
}

static void damage_table_page(struct lab *lab)
{
	uint64_t entries = lab->r.page_bytes / sizeof(*lab->r.table);

	if (entries > lab->r.pages)
		entries = lab->r.pages;
	memset(lab->r.table, 0, lab->r.page_bytes);
	WANT(lab, " bad table %" PRIu64 " first 0 ", index_of(&lab->r, entries));
}

/* Pages and table are both those of the round before. */
static void damage_all_reverted(struct lab *lab)
{
	lab->r.rounds++;
	WANT(lab, "verify %" PRIu32 " bad table %" PRIu64 " ", lab->r.rounds,
	     lab->r.write_pages);
}

static void damage_counter_reverted(struct lab *lab)
{
	lab->r.rounds--;
	WANT(lab, "verify %" PRIu32 " bad %" PRIu64 " ", lab->r.rounds,
	     lab->r.write_pages);
}

static const struct damage {
	const char *name;
	void (*apply)(struct lab *lab);
	bool needs_holes;
} damages[] = {
	{ .name = "stale generation", .apply = damage_stale },
	{ .name = "swapped pages", .apply = damage_swapped },
	{ .name = "page copied over another", .apply = damage_copied },
	{ .name = "zeroed page", .apply = damage_zeroed },
	{ .name = "bit flip in the first word", .apply = damage_first_word },
	{ .name = "bit flip in the header", .apply = damage_header },
	{ .name = "bit flip in the middle", .apply = damage_middle_word },
	{ .name = "bit flip in the last word", .apply = damage_last_word },
	{ .name = "bit flip in an unmarked word", .apply = damage_unmarked_word },
	{ .name = "torn page", .apply = damage_torn },
	{ .name = "page of another seed", .apply = damage_other_seed },
	{ .name = "written hole", .apply = damage_hole, .needs_holes = true },
	{ .name = "zeroed last page", .apply = damage_tail },
	{ .name = "stale table entry", .apply = damage_table_entry },
	{ .name = "zeroed table page", .apply = damage_table_page },
	{ .name = "pages and table reverted", .apply = damage_all_reverted },
	{ .name = "round counter reverted", .apply = damage_counter_reverted },
	{ 0 }
};

/* Prints report lines so that TAP skips them. */
static void comment(char *text)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		printf("# %s\n", line);
}

static bool report_has(const struct lab *lab, const char *want, char *text,
		       size_t size)
{
	struct verdict v = verify(&lab->r);

	format_verdict(&lab->r, &v, "", text, size);
	return strstr(text, want);
}

/* Every damage is done to a good region, reported, and mended again. */
static void test_damages(struct lab *lab, const char *shape)
{
	struct region *r = &lab->r;
	char text[LINE_BYTES];

	for (const struct damage *d = damages; d->name; d++) {
		if (d->needs_holes && !r->hole_every)
			continue;
		d->apply(lab);
		check(lab, report_has(lab, lab->want, text, sizeof(text)) &&
		      !strstr(text, " ok "), "%s: %s is reported", shape, d->name);
		comment(text);
		r->rounds = lab->rounds;
		memcpy(r->base, lab->copy, r->bytes);
		memcpy(r->table, lab->table_copy, r->table_bytes);
		if (!report_has(lab, " ok ", text, sizeof(text)))
			check(lab, false, "%s: good again after %s: %s", shape,
			      d->name, text);
	}
}

/* The pages that differ from @copy; does not touch holes. */
static uint64_t count_changed_pages(const struct region *r, const uint64_t *copy)
{
	uint64_t changed = 0;

	for (uint64_t page = 0; page < r->pages; page++)
		changed += !is_hole(r, page) &&
			   memcmp(page_at(r, page), copy + page * r->page_words,
				  r->page_bytes);
	return changed;
}

static uint64_t count_changed_table(const struct region *r, const uint32_t *copy)
{
	uint64_t changed = 0;

	for (size_t at = 0; at < r->table_bytes; at += r->page_bytes)
		changed += !!memcmp((const char *)r->table + at,
				    (const char *)copy + at, r->page_bytes);
	return changed;
}

/* The pages of one round are distinct, and no page is both written and read. */
static bool targets_distinct(const struct region *r, uint32_t round)
{
	uint8_t *seen = calloc(r->pages, 1);
	bool good = seen;

	for (uint64_t i = 0; good && i < r->write_pages; i++) {
		uint64_t page = write_target(r, round, i);

		good = page < r->tail_start && !is_hole(r, page) && !seen[page]++;
	}
	for (uint64_t i = 0; good && i < r->read_pages; i++) {
		uint64_t page = read_target(r, round, i);

		good = page < r->pages && !is_hole(r, page) && !seen[page]++;
	}
	free(seen);
	return good;
}

/* Holes must be absent, everything else present; only the kernel can tell. */
static bool residency_right(const struct region *r)
{
	uint8_t *resident = calloc(r->pages, 1);
	bool good = resident && !mincore(r->base, r->bytes, resident);

	for (uint64_t page = 0; good && page < r->pages; page++)
		good = (resident[page] & 1) == !is_hole(r, page);
	free(resident);
	return good;
}

/* Runs rounds and compares what they say with what really changed. */
static void test_rounds(struct lab *lab, const char *shape)
{
	struct region *r = &lab->r;
	bool counts = true, distinct = true, untouched = true;

	for (uint32_t g = 1; g <= 5; g++) {
		struct round done;

		/* Page by page: a read would populate the holes. */
		for (uint64_t page = 0; page < r->pages; page++)
			if (!is_hole(r, page))
				memcpy(lab->copy + page * r->page_words,
				       page_at(r, page), r->page_bytes);
		memcpy(lab->table_copy, r->table, r->table_bytes);
		done = run_round(r);
		untouched &= residency_right(r);
		counts &= done.written == count_changed_pages(r, lab->copy);
		counts &= done.table_pages == count_changed_table(r,
							lab->table_copy);
		distinct &= targets_distinct(r, g);
	}
	check(lab, untouched, "%s: holes are untouched, the rest is there", shape);
	check(lab, counts, "%s: wrote and table are what changed", shape);
	check(lab, distinct, "%s: targets are distinct", shape);
}

static void test_shape(struct lab *lab, const char *shape,
		       const struct options *o)
{
	struct region *r = &lab->r;
	char text[LINE_BYTES];
	int ret = region_init(r, o);

	lab->copy = calloc(r->pages, r->page_bytes);
	lab->table_copy = malloc(r->table_bytes);
	if (ret == -EINVAL && o->huge) {
		printf("ok %u - %s # SKIP no transparent huge pages\n",
		       lab->passed + lab->failed + ++lab->skipped, shape);
	} else if (ret || !lab->copy || !lab->table_copy) {
		check(lab, false, "%s: no memory: %s", shape, strerror(-ret));
	} else {
		test_rounds(lab, shape);
		lab->rounds = r->rounds;
		lab->victim = write_target(r, r->rounds, 0);
		lab->other = write_target(r, r->rounds, 1);
		check(lab, report_has(lab, "verify 5 ok ", text, sizeof(text)),
		      "%s: an undamaged region is ok", shape);
		memcpy(lab->copy, r->base, r->bytes);
		memcpy(lab->table_copy, r->table, r->table_bytes);
		protect_tail(r, PROT_READ | PROT_WRITE);
		test_damages(lab, shape);
	}
	free(lab->copy);
	free(lab->table_copy);
	region_fini(r);
}

static int self_test(void)
{
	static const struct {
		const char *name;
		struct options o;
	} shapes[] = {
		{ "plain", { .mib = 8, .write_percent = 3, .read_percent = 30 } },
		{ "holes and tail", { .mib = 9, .write_percent = 20, .seed = 7,
				      .read_percent = 80, .hole_every = 7,
				      .tail_percent = 25 } },
		{ "all written", { .mib = 5, .write_percent = 100, .seed = -1 } },
		{ "huge", { .mib = 8, .write_percent = 2, .huge = true } },
	};
	struct lab lab = { 0 };

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		test_shape(&lab, shapes[i].name, &shapes[i].o);
	printf("1..%u\n%u passed, %u failed, %u skipped\n",
	       lab.passed + lab.failed + lab.skipped, lab.passed, lab.failed,
	       lab.skipped);
	return lab.failed ? EXIT_RUNTIME : 0;
}

/* ---- command line ---- */

static const char help[] =
"Usage: pages --report FILE [options]\n"
"       pages --self-test\n"
"\n"
"A process that knows what each of its pages must hold. It prints its pid when\n"
"it is ready, then obeys signals and appends its answers to FILE.\n"
"\n"
"  --report FILE          absolute path; lines are appended\n"
"  --mib N                size of the region (1..65536, default 64)\n"
"  --write-percent N      pages that a round writes (default 2)\n"
"  --read-percent N       other pages that a round reads (default 18)\n"
"  --same-reads           each round reads the same pages; with --write-percent 0\n"
"  --seed N               decides patterns and pages (default 1)\n"
"  --detach               go to the background: setsid, cwd /, 0-2 on /dev/null\n"
"  --huge                 2 MiB aligned, MADV_HUGEPAGE (else MADV_NOHUGEPAGE)\n"
"  --hole-every N         never touch every N-th page (N >= 2); it must be zero.\n"
"                         With --huge the kernel may back holes all the same\n"
"  --readonly-tail N      the last N percent are written once, then read-only\n"
"  --child                fork a child that keeps a copy-on-write copy\n"
"  --self-test            prove that the verifier reports damage\n"
"  --help                 show this text\n"
"\n"
"Percentages are of the pages that are not holes, rounded up; those of\n"
"--readonly-tail are of all pages, rounded down.\n"
"\n"
"Signals (wait for the answer before the next one: equal signals merge):\n"
"  SIGUSR1  do one round    round G wrote W read R table T\n"
"  SIGUSR2  verify          verify G ok PAGES\n"
"                           verify G bad COUNT first PAGE expected ... found ...\n"
"                           verify G bad table COUNT first PAGE expected ...\n"
"  SIGTERM  exit 0          ends the child too\n"
"W, R and T are numbers of distinct pages. A round dirties W + T pages, besides\n"
"stack, data and heap. A verify reads everything and writes nothing; a hole that\n"
"it reads gets the zero page mapped. With --child, SIGUSR2 is passed on and the\n"
"child adds the same lines with \"child \" before them, always for G = 0; it may\n"
"also be sent to the child alone. The first line of a run is\n"
"  ready PID pages N populated N writable N region ADDR table ADDR child PID|0\n"
"\n"
"Exit status: 0 ended by SIGTERM or self-test passed, 1 failure, 2 bad usage.\n";

__attribute__((format(printf, 1, 2), noreturn))
static void usage_error(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "pages: ");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\nTry 'pages --help'.\n");
	exit(EXIT_USAGE);
}

/* strtoull() alone would take "-1", " 1" and "". */
static uint64_t number(const char *option, const char *text, uint64_t min,
		       uint64_t max)
{
	unsigned long long value = 0;
	char *end = NULL;

	errno = 0;
	if (*text >= '0' && *text <= '9')
		value = strtoull(text, &end, !strncmp(text, "0x", 2) ? 16 : 10);
	if (!end || *end)
		usage_error("--%s: '%s' is not a number", option, text);
	if (errno || value < min || value > max)
		usage_error("--%s: %s is not in %" PRIu64 "..%" PRIu64, option,
			    text, min, max);
	return value;
}

/* What the options forbid together. Exits with EXIT_USAGE. */
static void check_options(const struct options *o)
{
	if (o->self_test)
		return;
	if (!o->report)
		usage_error("--report FILE is missing");
	if (*o->report != '/')
		usage_error("--report: '%s' is not an absolute path", o->report);
	if (o->same_reads && o->write_percent)
		usage_error("--same-reads needs --write-percent 0");
	if (o->write_percent + o->read_percent > 100)
		usage_error("--write-percent %" PRIu64 " and --read-percent %" PRIu64
			    " are more than 100 together, but no page may be in both",
			    o->write_percent, o->read_percent);
	if (o->write_percent + o->tail_percent > 100)
		usage_error("--write-percent %" PRIu64 " does not fit beside "
			    "--readonly-tail %" PRIu64, o->write_percent,
			    o->tail_percent);
	if (o->hole_every > o->mib * MIB_BYTES / sysconf(_SC_PAGESIZE))
		usage_error("--hole-every %" PRIu64 ": the region is smaller, there "
			    "would be no hole", o->hole_every);
}

static const struct option long_options[] = {
	{ "report", required_argument, NULL, 'o' },
	{ "mib", required_argument, NULL, 'm' },
	{ "write-percent", required_argument, NULL, 'w' },
	{ "read-percent", required_argument, NULL, 'r' },
	{ "seed", required_argument, NULL, 's' },
	{ "detach", no_argument, NULL, 'd' },
	{ "same-reads", no_argument, NULL, 'R' },
	{ "huge", no_argument, NULL, 'H' },
	{ "hole-every", required_argument, NULL, 'e' },
	{ "readonly-tail", required_argument, NULL, 't' },
	{ "child", no_argument, NULL, 'c' },
	{ "self-test", no_argument, NULL, 'S' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 }
};

static void set_option(struct options *o, int letter, const char *name)
{
	switch (letter) {
	case 'o':
		o->report = optarg;
		break;
	case 'm':
		o->mib = number(name, optarg, 1, MAX_MIB);
		break;
	case 'w':
		o->write_percent = number(name, optarg, 0, 100);
		break;
	case 'r':
		o->read_percent = number(name, optarg, 0, 100);
		break;
	case 's':
		o->seed = number(name, optarg, 0, UINT64_MAX);
		break;
	case 'd':
		o->detach = true;
		break;
	case 'R':
		o->same_reads = true;
		break;
	case 'H':
		o->huge = true;
		break;
	case 'e':
		o->hole_every = number(name, optarg, 2, UINT32_MAX);
		break;
	case 't':
		o->tail_percent = number(name, optarg, 0, 100);
		break;
	case 'c':
		o->child = true;
		break;
	case 'S':
		o->self_test = true;
		break;
	case 'h':
		fputs(help, stdout);
		exit(fflush(stdout) ? EXIT_RUNTIME : 0);
	default:
		/* getopt has said what is wrong. */
		fprintf(stderr, "Try 'pages --help'.\n");
		exit(EXIT_USAGE);
	}
}

int main(int argc, char **argv)
{
	struct options o = {
		.mib = 64, .write_percent = 2, .read_percent = 18, .seed = 1,
	};
	int letter, which = 0;

	while ((letter = getopt_long(argc, argv, "", long_options, &which)) != -1)
		set_option(&o, letter, long_options[which].name);
	if (optind < argc)
		usage_error("'%s' is not an option", argv[optind]);
	check_options(&o);
	if (o.self_test)
		return self_test();
	start(&o);
	return EXIT_RUNTIME;
}
