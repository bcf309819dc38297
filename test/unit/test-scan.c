// SPDX-License-Identifier: GPL-2.0-only
/* What is answered for which page: criu-plugin/scan.c without a kernel. */
#define _GNU_SOURCE
#include "scan.c"
#include "tap.h"

#define SD	PAGE_IS_SOFT_DIRTY
#define EAGER	PAGE_IS_EAGER
#define PRESENT PAGE_IS_PRESENT
#define PG(n)	((n)*PAGE_BYTES)

static int same(const struct page_region *r, uint64_t start, uint64_t end, uint64_t categories)
{
	return r->start == PG(start) && r->end == PG(end) && r->categories == categories;
}

static void test_set(void)
{
	struct run_set set = {};
	int i;

	run_set_add(&set, PG(1), PG(2), PAGE_CLEAN);
	run_set_add(&set, PG(2), PG(4), PAGE_CLEAN);
	check("neighbours of one state become one run", set.nr == 1 && set.v[0].end == PG(4));
	run_set_add(&set, PG(4), PG(5), PAGE_CLEAN | PAGE_COLD);
	run_set_add(&set, PG(6), PG(7), PAGE_CLEAN | PAGE_COLD);
	check("another state or a gap begins a new one", set.nr == 3);
	for (i = 0; i < 3000; i++)
		run_set_add(&set, PG(10 + 2 * i), PG(11 + 2 * i), PAGE_CLEAN);
	check("the set grows", set.nr == 3003 && set.v[3002].start == PG(10 + 2 * 2999));
	check("a range that goes back is refused", run_set_add(&set, PG(9), PG(10), PAGE_CLEAN) == -EINVAL);
	check("find: before, in, between, after",
	      run_set_find(&set, 0) == set.v && run_set_find(&set, PG(3)) == set.v &&
		      run_set_find(&set, PG(5)) == set.v + 2 && run_set_find(&set, PG(100000)) == set.v + set.nr);
	run_set_fini(&set);
	check("fini leaves an empty set", !set.v && !set.nr && !set.cap);
}

static void test_answer(void)
{
	struct page_region in[] = { { PG(0), PG(10), PRESENT | SD }, { PG(20), PG(30), PRESENT } }, out[16];
	struct run_set known = {};
	uint64_t walk_end = 99;
	size_t nr;

	nr = scan_answer(&known, SCAN_HINTS, in, 2, out, 16, &walk_end);
	check("nothing known: all written and hot",
	      nr == 2 && same(&out[0], 0, 10, PRESENT | SD | EAGER) && same(&out[1], 20, 30, PRESENT | SD | EAGER));

	run_set_add(&known, PG(2), PG(6), PAGE_CLEAN | PAGE_COLD);
	run_set_add(&known, PG(7), PG(25), PAGE_CLEAN);
	run_set_add(&known, PG(29), PG(40), PAGE_COLD);
	nr = scan_answer(&known, SCAN_HINTS, in, 2, out, 16, &walk_end);
	check("cut along what is known",
	      nr == 7 && same(&out[0], 0, 2, PRESENT | SD | EAGER) && same(&out[1], 2, 6, PRESENT) &&
		      same(&out[2], 6, 7, PRESENT | SD | EAGER) && same(&out[3], 7, 10, PRESENT | EAGER) &&
		      same(&out[4], 20, 25, PRESENT | EAGER) && same(&out[5], 25, 29, PRESENT | SD | EAGER) &&
		      same(&out[6], 29, 30, PRESENT | SD));
	check("a whole answer leaves walk_end alone", walk_end == 99);

	nr = scan_answer(&known, 0, in, 2, out, 16, &walk_end);
	check("no hints, no eager pages",
	      nr == 6 && same(&out[0], 0, 2, PRESENT | SD) && same(&out[5], 25, 30, PRESENT | SD));

	nr = scan_answer(&known, SCAN_HINTS, in, 2, out, 3, &walk_end);
	check("a full buffer ends the walk where it is full",
	      nr == 3 && same(&out[2], 6, 7, PRESENT | SD | EAGER) && walk_end == PG(7));

	nr = scan_answer(&known, SCAN_HINTS, in, 0, out, 16, &walk_end);
	check("nothing present, nothing answered", nr == 0);
	run_set_fini(&known);
}

static void test_gaps(void)
{
	struct page_region in[] = { { PG(0), PG(3), PRESENT }, { PG(40), PG(60), PRESENT } }, out[16];
	struct run_set known = {};
	uint64_t walk_end;
	size_t nr;

	run_set_add(&known, PG(1), PG(3), PAGE_CLEAN | PAGE_COLD);
	run_set_add(&known, PG(40), PG(41), PAGE_COLD);
	run_set_add(&known, PG(42), PG(46), PAGE_COLD);
	run_set_add(&known, PG(58), PG(60), PAGE_COLD);
	nr = scan_answer(&known, SCAN_HINTS, in, 2, out, 16, &walk_end);
	check("a short stretch between hot pages is eager, over a hole as well",
	      nr == 6 && same(&out[0], 0, 1, PRESENT | SD | EAGER) && same(&out[1], 1, 3, PRESENT | EAGER) &&
		      same(&out[2], 40, 42, PRESENT | SD | EAGER));
	check("a longer one is not", same(&out[3], 42, 46, PRESENT | SD));
	check("nor one at the end", same(&out[5], 58, 60, PRESENT | SD));
	nr = scan_answer(&known, 0, in, 2, out, 16, &walk_end);
	check("nor any without hints", nr == 3 && same(&out[2], 40, 60, PRESENT | SD));
	nr = scan_answer(&known, SCAN_HINTS | SCAN_HINTS_DUMPED, in, 2, out, 16, &walk_end);
	check("a longer one is when all is dumped", nr == 4 && same(&out[2], 40, 58, PRESENT | SD | EAGER));
	run_set_fini(&known);
}

/* What criu asks of a mapping: pagemap-cache.c. */
static struct pm_scan_arg question(uint64_t start, uint64_t end, struct page_region *vec, uint64_t vec_len)
{
	return (struct pm_scan_arg){
		.start = PG(start),
		.end = PG(end),
		.vec = (uintptr_t)vec,
		.vec_len = vec_len,
		.category_inverted = PAGE_IS_PFNZERO,
		.category_mask = PAGE_IS_PFNZERO,
		.category_anyof_mask = PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PRESENT | PAGE_IS_SWAPPED | SD,
	};
}

static int is_covered(const struct run_set *covered, uint64_t start, uint64_t end)
{
	struct pm_scan_arg arg = question(start, end, NULL, 0);

	return scan_is_covered(covered, &arg);
}

static void test_again(void)
{
	struct run_set covered = {}, seen = {};
	struct page_region out[8];
	struct pm_scan_arg arg;
	size_t nr;

	run_set_add(&covered, PG(10), PG(20), 0);
	run_set_add(&covered, PG(20), PG(30), 0);
	run_set_add(&covered, PG(40), PG(50), 0);
	check("covered: all of it, a part, over an edge that is none",
	      is_covered(&covered, 10, 30) && is_covered(&covered, 12, 13) && is_covered(&covered, 15, 25));
	check("not covered: before, behind, between, over an end",
	      !is_covered(&covered, 0, 5) && !is_covered(&covered, 50, 60) && !is_covered(&covered, 32, 35) &&
		      !is_covered(&covered, 25, 45) && !is_covered(&covered, 5, 15));
	arg = question(10, 20, NULL, 0);
	arg.category_mask = arg.category_inverted |= PAGE_IS_FILE;
	check("a question that leaves out file pages as well is the same one", scan_is_covered(&covered, &arg));
	arg.category_mask = arg.category_inverted = PAGE_IS_FILE;
	check("one that wants the zero page is another", !scan_is_covered(&covered, &arg));
	arg = question(10, 20, NULL, 0);
	arg.category_anyof_mask = PRESENT;
	check("and one that does not want what is swapped out", !scan_is_covered(&covered, &arg));
	arg = question(10, 20, NULL, 0);
	arg.return_mask |= PAGE_IS_HUGE;
	check("and one for what was not seen", !scan_is_covered(&covered, &arg));
	arg = question(10, 20, NULL, 0);
	arg.flags = PM_SCAN_WP_MATCHING;
	check("and one that is to change something", !scan_is_covered(&covered, &arg));

	run_set_add(&seen, PG(10), PG(14), 0);
	run_set_add(&seen, PG(14), PG(15), PAGE_SWAPPED);
	run_set_add(&seen, PG(17), PG(19), 0);
	run_set_add(&seen, PG(41), PG(42), 0);
	arg = question(10, 30, out, 8);
	nr = scan_again(&seen, &arg);
	check("again: what was seen there", nr == 3 && same(&out[0], 10, 14, PRESENT) &&
						    same(&out[1], 14, 15, PAGE_IS_SWAPPED) &&
						    same(&out[2], 17, 19, PRESENT) && arg.walk_end == PG(30));
	arg = question(12, 18, out, 8);
	nr = scan_again(&seen, &arg);
	check("cut to the question", nr == 3 && same(&out[0], 12, 14, PRESENT) && same(&out[2], 17, 18, PRESENT));
	arg = question(10, 30, out, 2);
	nr = scan_again(&seen, &arg);
	check("a full buffer says how far it came", nr == 2 && arg.walk_end == PG(15));
	arg = question(20, 30, out, 8);
	check("nothing there", scan_again(&seen, &arg) == 0 && arg.walk_end == PG(30));
	run_set_fini(&covered);
	run_set_fini(&seen);
}

static void test_resume(void)
{
	struct page_region regions[4] = { [3] = { PG(6), PG(8), 0 } };
	struct pm_scan_arg arg = { .start = 0, .end = PG(100), .vec_len = 4, .walk_end = PG(3) };

	check("a buffer that is not full: all of it was walked", scan_resume(&arg, regions, 3) == PG(100));
	check("a stale walk_end is not gone back to", scan_resume(&arg, regions, 4) == PG(8));
	arg.walk_end = PG(50);
	check("walk_end beyond the last region counts", scan_resume(&arg, regions, 4) == PG(50));
}

/* bridge_gaps() page by page: @eager of those that are @present. */
static void bridge_pages(const int *present, int *eager, unsigned int nr)
{
	unsigned int i, j, gap;

	for (i = 0; i < nr; i++) {
		if (!present[i] || !eager[i])
			continue;
		for (gap = 0, j = i + 1; j < nr && !(present[j] && eager[j]); j++)
			gap += present[j];
		if (j < nr && gap < COLD_GAP_PAGES)
			for (; j > i; j--)
				eager[j] = 1;
	}
}

/* Against a per-page model, with random sets. */
static void test_random(void)
{
	enum { PAGES = 64 };
	int round, bad = 0;

	srand(1);
	for (round = 0; round < 2000; round++) {
		unsigned int state[PAGES] = {}, i;
		int present[PAGES], eager[PAGES];
		struct run_set known = {};
		struct page_region in[PAGES] = {}, out[PAGES];
		size_t nr_in = 0, nr, r = 0;
		uint64_t walk_end = PG(PAGES), limit = 1 + rand() % PAGES;

		for (i = 0; i < PAGES; i++) {
			state[i] = rand() % 3 ? (i ? state[i - 1] : 0) : (unsigned int)rand() % 4;
			present[i] = rand() % 4 != 0;
			eager[i] = !(state[i] & PAGE_COLD);
			if (state[i])
				run_set_add(&known, PG(i), PG(i + 1), state[i]);
			if (!present[i])
				continue;
			if (nr_in && in[nr_in - 1].end == PG(i))
				in[nr_in - 1].end = PG(i + 1);
			else
				in[nr_in++] = (struct page_region){ PG(i), PG(i + 1), PRESENT };
		}
		nr = scan_answer(&known, SCAN_HINTS, in, nr_in, out, limit, &walk_end);
		bridge_pages(present, eager, walk_end / PAGE_BYTES);
		for (i = 0; i < PAGES && PG(i) < walk_end; i++) {
			uint64_t want = PRESENT | (state[i] & PAGE_CLEAN ? 0 : SD) | (eager[i] ? EAGER : 0);

			while (r < nr && out[r].end <= PG(i))
				r++;
			if (present[i])
				bad += r == nr || out[r].start > PG(i) || out[r].categories != want;
			else
				bad += r < nr && out[r].start <= PG(i);
		}
		run_set_fini(&known);
	}
	check("2000 random sets agree with a page by page model", bad == 0);
}

int main(void)
{
	test_set();
	test_answer();
	test_gaps();
	test_again();
	test_resume();
	test_random();
	return tap_done();
}
