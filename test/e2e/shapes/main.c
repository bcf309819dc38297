// SPDX-License-Identifier: GPL-2.0-only
/* Command line, and the answers to signals; shapes.h says how the whole works. */
#define _GNU_SOURCE
#include <alloca.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shapes.h"

struct program prog = { .seed = 1, .threads = 2, .ready = -1 };

static const char help[] =
"Usage: shapes --report FILE --areas LIST [options]\n"
"       shapes --self-test --areas LIST --dir DIR\n"
"\n"
"Processes that know what each page of unusual memory must hold. The first prints\n"
"its pid when all are ready, then obeys signals and appends its answers to FILE.\n"
"\n"
"  --report FILE   absolute path; lines are appended\n"
"  --areas LIST    kinds of memory, with commas between them; --kinds lists them\n"
"  --dir DIR       where the files of tmpfs, filepriv and aio are (that of FILE)\n"
"  --seed N        decides patterns and what rounds do (1)\n"
"  --count N       mappings of kind many (10000)\n"
"  --threads N     of kind busy (2, at most 8)\n"
"  --children      a tree of processes that fork, exec and end between rounds\n"
"  --seccomp       a filter ends any that calls userfaultfd(2)\n"
"  --detach        go to the background: setsid, cwd /, 0-2 on /dev/null\n"
"  --self-test     prove that damage is found in areas of all these kinds\n"
"  --corrupt KIND:HOW:PROCESS  before a verify, damage the last page written; HOW is\n"
"                  byte, stale, lost, mapping or unmapped\n"
"\n"
"Signals, to the first process; wait for the answer before the next one:\n"
"  SIGUSR1  do one round    round G wrote W other O processes N\n"
"  SIGUSR2  verify          verify G ok PAGES\n"
"                           verify G bad COUNT first ...\n"
"  SIGTERM  end\n"
"A dump after a round holds W pages at least, and besides those O and stack, data\n"
"and heap of N processes at most; see shapes.h.\n";

__attribute__((format(printf, 1, 2), noreturn))
static void usage_error(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "shapes: ");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\nTry 'shapes --help'.\n");
	exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t max)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (*text < '0' || *text > '9' || *end || value > max)
		usage_error("--%s: '%s' is not a number up to %" PRIu64, option, text, max);
	return value;
}

static void add_area(const char *name, size_t length)
{
	const struct kind *kind = kind_find(name, length);
	struct area *a = &prog.areas[prog.area_count];

	if (!kind)
		usage_error("--areas: no kind '%.*s'", (int)length, name);
	if (prog.area_count == MAX_AREAS)
		usage_error("--areas: more than %d", MAX_AREAS);
	for (unsigned int i = 0; i < prog.area_count; i++)
		if (prog.areas[i].kind == kind)
			usage_error("--areas: %s twice", kind->name);
	if (prog.children && !strcmp(kind->name, "aio"))
		usage_error("--areas aio: not with --children, they would have no ring");
	*a = (struct area) { .kind = kind, .number = prog.area_count++, .pages = kind->pages };
	if (!strcmp(kind->name, "many") && prog.count)
		a->pages = prog.count;
}

static void parse_areas(void)
{
	for (const char *at = prog.areas_text; *at; at += *at == ',') {
		size_t length = strcspn(at, ",");

		add_area(at, length);
		at += length;
	}
}

static bool has_stack(void)
{
	for (unsigned int i = 0; i < prog.area_count; i++)
		if (prog.areas[i].kind->backing == STACK)
			return true;
	return false;
}

/* @memory is on the stack of a caller that stays, and a page longer than a block. */
static void add_stack_block(char *memory, uint32_t round)
{
	for (unsigned int i = 0; i < prog.area_count; i++)
		if (prog.areas[i].kind->backing == STACK)
			prog.areas[i].block[round] = (char *)(((uintptr_t)memory + PAGE_BYTES - 1) & -PAGE_BYTES);
}

static void change(void)
{
	struct counts counts = { 0 };
	struct verdict v = { 0 };
	unsigned int processes;

	if (tree_fork(prog.rounds + 1))
		return;
	counts = do_round(++prog.rounds);
	if (prog.me) {
		tree_answer(&counts, NULL);
		tree_leave(prog.rounds);
		return;
	}
	processes = tree_ask(SIGUSR1, prog.rounds, &counts, &v);
	if (v.bad)
		report("failed round %" PRIu32 ": %s", prog.rounds, v.text);
	else
		report("round %" PRIu32 " wrote %" PRIu64 " other %" PRIu64 " processes %u", prog.rounds,
		       counts.wrote, counts.other, processes);
}

static void check(void)
{
	struct counts none = { 0 };
	struct verdict v;

	if (prog.corrupt)
		corrupt(prog.corrupt);
	verify(&v);
	if (prog.me) {
		tree_answer(NULL, &v);
		return;
	}
	tree_ask(SIGUSR2, prog.rounds, &none, &v);
	if (v.bad)
		report("verify %" PRIu32 " bad %" PRIu64 " first %s", prog.rounds, v.bad, v.text);
	else
		report("verify %" PRIu32 " ok %" PRIu64, prog.rounds, v.pages);
}

/* alloca(), because the block must stay until the function returns, and that never does. */
#define NEXT_BLOCK(round) add_stack_block(alloca((STACK_BLOCK + 1) * PAGE_BYTES), round)

/* Never returns: what it has on its stack is an area. */
__attribute__((noinline, noreturn))
static void serve(int board)
{
	uint32_t begin = prog.me && tree_born() ? tree_born() : 1;

	if (prog.self_test) {
		for (uint32_t round = 0; round <= MAX_ROUNDS; round++) {
			/* cppcheck-suppress allocaCalled */
			NEXT_BLOCK(round);
		}
		_exit(!self_test());
	}
	for (unsigned int i = 0; i < prog.area_count; i++)
		area_place(&prog.areas[i], !prog.me);
	for (uint32_t round = 0; round < begin; round++) {
		if (has_stack()) {
			/* cppcheck-suppress allocaCalled */
			NEXT_BLOCK(round);
		}
		prog.rounds = round;
		do_round(round);
	}
	if (prog.detach && !prog.me)
		redirect_to_null();
	tree_start(board);
	if (!prog.me && !tree_fork(0)) {
		report("ready %d areas %s", getpid(), prog.areas_text);
		tell_launcher();
	}
	for (;;) {
		switch (next_signal()) {
		case SIGUSR1:
			if (prog.rounds == MAX_ROUNDS)
				die("no more than %d rounds", MAX_ROUNDS);
			if (has_stack()) {
				/* cppcheck-suppress allocaCalled */
				NEXT_BLOCK(prog.rounds + 1);
			}
			change();
			break;
		case SIGUSR2:
			check();
			break;
		case SIGTERM:
			tree_end();
			_exit(0);
		}
	}
}

static const struct option long_options[] = {
	{ "report", required_argument, NULL, 'o' },
	{ "areas", required_argument, NULL, 'a' },
	{ "dir", required_argument, NULL, 'd' },
	{ "seed", required_argument, NULL, 's' },
	{ "count", required_argument, NULL, 'n' },
	{ "threads", required_argument, NULL, 't' },
	{ "children", no_argument, NULL, 'c' },
	{ "seccomp", no_argument, NULL, 'S' },
	{ "detach", no_argument, NULL, 'D' },
	{ "corrupt", required_argument, NULL, 'C' },
	{ "self-test", no_argument, NULL, 'T' },
	/* What an exec'ed child is told by the one that forked it. */
	{ "role", required_argument, NULL, 'r' },
	{ "board", required_argument, NULL, 'b' },
	{ "kinds", no_argument, NULL, 'k' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 }
};

static int board_option = -1;

static void set_option(int letter, const char *name)
{
	switch (letter) {
	case 'o':
		prog.report = optarg;
		break;
	case 'a':
		prog.areas_text = optarg;
		break;
	case 'd':
		prog.dir = optarg;
		break;
	case 's':
		prog.seed = number(name, optarg, UINT64_MAX);
		break;
	case 'n':
		prog.count = number(name, optarg, 60000);
		break;
	case 't':
		prog.threads = number(name, optarg, MAX_THREADS);
		break;
	case 'c':
		prog.children = true;
		break;
	case 'S':
		prog.seccomp = true;
		break;
	case 'D':
		prog.detach = true;
		break;
	case 'C':
		prog.corrupt = optarg;
		break;
	case 'T':
		prog.self_test = true;
		break;
	case 'r':
		prog.me = number(name, optarg, 16);
		break;
	case 'b':
		board_option = number(name, optarg, 1024);
		break;
	case 'k':
		kinds_list(STDOUT_FILENO);
		exit(0);
	case 'h':
		fputs(help, stdout);
		exit(0);
	default:
		fprintf(stderr, "Try 'shapes --help'.\n");
		exit(2);
	}
}

static void check_options(int rest)
{
	if (rest)
		usage_error("too many arguments");
	if (prog.self_test && !prog.dir)
		usage_error("--dir DIR is missing");
	if (!prog.self_test && (!prog.report || *prog.report != '/'))
		usage_error("--report FILE is missing, or FILE is not an absolute path");
	if (!prog.areas_text)
		usage_error("--areas LIST is missing");
	if (!prog.threads)
		usage_error("--threads: at least 1");
	if (sysconf(_SC_PAGESIZE) != (long)PAGE_BYTES)
		usage_error("needs pages of %lu bytes", PAGE_BYTES);
	if (!prog.dir) {
		char *slash;

		prog.dir = strdup(prog.report);
		slash = strrchr(prog.dir, '/');
		*slash = 0;
	}
}

int main(int argc, char **argv)
{
	int letter, which = 0;

	/* The heap is an area, so malloc() may not use it. */
	mallopt(M_MMAP_THRESHOLD, 0);
	prog.argv = argv;
	while ((letter = getopt_long(argc, argv, "", long_options, &which)) != -1)
		set_option(letter, long_options[which].name);
	check_options(argc - optind);
	parse_areas();
	if (!prog.me && !prog.self_test) {
		tidy_descriptors();
		if (prog.detach)
			detach();
		block_signals();
		if (prog.seccomp)
			forbid_userfaultfd();
	}
	serve(board_option);
}
