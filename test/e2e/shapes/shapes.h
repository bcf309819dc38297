/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shapes - process trees and unusual memory that know what they must hold
 *
 * Theory of operation
 *
 * The program owns areas, each of one kind (kinds.c), and is driven by
 * signals as pages.c is: SIGUSR1 changes all areas (a "round"), SIGUSR2
 * verifies them. It may be a tree of processes (tree.c); each has areas of its
 * own, and some are shared.
 *
 * A kind is a generator of operations: what a round does to an area follows
 * from (seed, process, area, round) and from what the rounds before have left.
 * Operations (ops.c) always go into a model, one cell for each page, and are
 * performed on memory only in the round that is being done now. So everything
 * that must be in memory after N rounds, what is mapped and how, is found by
 * playing rounds 0 to N again into an empty model. The model is made for each
 * round and each verify and thrown away after it: nothing of it is ever in an
 * image, so it cannot revert together with the memory it is compared with.
 * Only the number of rounds can, and each line tells it.
 *
 * A round line counts what a dump after it may hold:
 *   wrote  pages of private anonymous memory that the round wrote, in mappings
 *          that were there before: these, and no others of their mappings
 *   other  pages that may be dumped although the round did not write them: in
 *          new, moved, shared and file mappings, and in those that could not be
 *          read, and all of a new process
 * besides stack, data and heap of the processes.
 */
#ifndef SHAPES_H
#define SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE_BYTES	4096UL
#define PAGE_WORDS	(PAGE_BYTES / sizeof(uint64_t))
#define WINDOW_START	0x100000000000UL	/* of the first area; far from all else */
#define WINDOW_BYTES	(64UL << 30)		/* between the starts of two areas */
#define MAX_AREAS	32
#define MAX_ROUNDS	32
#define MAX_THREADS	8
#define STACK_BLOCK	8			/* pages that each round adds to the stack */
#define LINE_BYTES	512

/* What a page holds: nothing, its file's page, or what round N wrote: ROUND + N. */
enum { ZERO, FILE_DATA, ROUND };

enum backing {
	PRIVATE,	/* anonymous, as are the next two */
	HEAP,		/* from brk() */
	STACK,		/* of the main thread, in blocks of STACK_BLOCK pages */
	SHARED,		/* anonymous; children that were not exec'ed have it */
	MEMFD,		/* the same, and the descriptor stays open */
	SHARED_FILE,	/* all processes have it */
	PRIVATE_FILE,
};

struct cell {
	uint32_t holds;		/* ZERO, FILE_DATA or ROUND + N */
	uint32_t origin;	/* the page it was written as; mremap() moves pages */
	uint32_t changed;	/* the last round that wrote it */
	uint8_t writer;		/* process or thread */
	uint8_t protection;	/* PROT_* */
	bool mapped;
	bool freed;		/* by MADV_FREE: may be ZERO as well */
	bool fresh;		/* in a mapping made in this round */
};

struct run;

struct kind {
	const char *name;
	enum backing backing;
	uint32_t pages;		/* cells */
	uint32_t stride;	/* pages for each cell; only the first is written; 0: 1 */
	int map_flags;		/* for mmap() */
	const char *vm_flag;	/* must be in VmFlags of its mappings */
	bool flag_not_forked;	/* fork() takes that away from the child */
	bool inexact;		/* a dump may hold all its pages, written or not */
	bool grows_down;
	bool threaded;		/* written all the time by threads; see busy.c */
	void (*round)(struct run *run);
};

struct area {
	const struct kind *kind;
	unsigned int number;
	uint32_t pages;
	char *base;
	char *block[MAX_ROUNDS + 1];	/* of a STACK area, instead of @base */
	int fd;				/* of a MEMFD area, else -1 */
};

/* One round of one area: operations are modelled and, if @live, performed. */
struct run {
	struct area *area;
	struct cell *cells;
	uint32_t round;
	unsigned int owner;	/* the process whose plan this is */
	bool live;
};

struct program {
	uint64_t seed;
	const char *report, *dir, *areas_text, *corrupt;
	uint32_t count;		/* mappings of kind "many" */
	unsigned int threads;
	bool detach, children, seccomp, self_test;
	int ready;		/* tells the launcher; -1 when that is done */

	struct area areas[MAX_AREAS];
	unsigned int area_count;
	uint32_t rounds;
	unsigned int me;	/* number of this process in the tree; 0 is the first */
	char **argv;
};

extern struct program prog;

/* pattern.c: what is in a page */
uint64_t mix(uint64_t x);
void fill_page(uint64_t *words, const struct area *a, const struct cell *c);
bool page_holds(const uint64_t *words, const struct area *a, const struct cell *c);
void name_content(const uint64_t *words, const struct area *a, char *text, size_t size);

/* ops.c: what is done to pages; failures end the program with a line in the report */
char *cell_at(const struct area *a, uint32_t page);
uint64_t dice(const struct run *run, uint64_t what);
void op_map(struct run *run, uint32_t page, uint32_t count, int protection);
void op_unmap(struct run *run, uint32_t page, uint32_t count);
void op_protect(struct run *run, uint32_t page, uint32_t count, int protection);
void op_write(struct run *run, uint32_t page);
void op_write_as(struct run *run, uint32_t page, unsigned int writer, bool by_call);
void op_read(struct run *run, uint32_t page);
void op_advise(struct run *run, uint32_t page, uint32_t count, int advice);
void op_lock(struct run *run, uint32_t page, uint32_t count, bool on_fault);
void op_move(struct run *run, uint32_t from, uint32_t to, uint32_t count, bool keep);
void op_resize(struct run *run, uint32_t page, uint32_t count, uint32_t new_count);
void op_brk(struct run *run, uint32_t count);
void op_aio(struct run *run, uint32_t page, uint32_t file_page);
void write_some(struct run *run, uint32_t from, uint32_t to, uint32_t one_in);
void read_some(struct run *run, uint32_t from, uint32_t to, uint32_t one_in);

/* backing.c: where areas are */
void area_place(struct area *a, bool first);
int area_open_file(const struct area *a, int flags);

/* kinds.c */
const struct kind *kind_find(const char *name, size_t length);
void kinds_list(int fd);
extern const struct kind kinds_plain[], kinds_churn[], kinds_shared[];

/* model.c: playing rounds */
struct counts {
	uint64_t wrote, other;
};

bool area_is_here(const struct area *a);
struct cell *model_make(struct area *a, uint32_t rounds);
void model_free(struct area *a, struct cell *cells);
struct counts do_round(uint32_t round);

/* verify.c */
struct verdict {
	uint64_t pages, bad;
	char text[LINE_BYTES / 2];	/* of the first bad one */
};

void verify(struct verdict *v);
void bad(struct verdict *v, const struct area *a, int64_t page, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void corrupt(const char *what);

/* maps.c */
struct mapping {
	uintptr_t start, end;
	int protection;
	bool shared;
};

struct maps {
	struct mapping *list;
	size_t count, next;
};

void maps_read(struct maps *m);
void maps_free(struct maps *m);
const struct mapping *maps_find(struct maps *m, uintptr_t address);
void check_vm_flags(struct verdict *v, const struct area *a);
void check_gaps(struct verdict *v, const struct area *a, const struct cell *cells);

/* busy.c */
void busy_start(struct area *a);
void busy_pause(bool pause);
void busy_model(const struct area *a, struct cell *cells);

/* tree.c */
unsigned int tree_identity(unsigned int process, uint32_t round);
unsigned int tree_pick(uint32_t round, uint64_t dice, bool with_exec);
bool tree_is_new(uint32_t round);
bool tree_was_forked(void);
bool tree_was_executed(void);
uint32_t tree_born(void);
void tree_start(int board);
bool tree_fork(uint32_t round);
void tree_answer(const struct counts *c, const struct verdict *v);
void tree_leave(uint32_t round);
unsigned int tree_ask(int sig, uint32_t round, struct counts *c, struct verdict *v);
void tree_end(void);

/* selftest.c */
bool self_test(void);

/* service.c */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void tidy_descriptors(void);
void redirect_to_null(void);
void detach(void);
void tell_launcher(void);
void block_signals(void);
int next_signal(void);
void forbid_userfaultfd(void);

#endif
