// SPDX-License-Identifier: GPL-2.0-only
/* The working set as numbers, and of which pages: criu-plugin/ranges.c. */
#define _GNU_SOURCE
#include "chain.c"
#include "ranges.c"
#include "scan.c"
#include "tap.h"

#define PG(n) ((n)*PAGE_BYTES)

static int is_run(const struct run *r, uint64_t start, uint64_t end, unsigned int state)
{
	return r->start == PG(start) && r->end == PG(end) && r->state == state;
}

static void test_code(void)
{
	struct run_set set = {}, back = {};
	struct range_code code;
	uint64_t huge[] = { 1, UINT64_MAX / PAGE_BYTES }, one[] = { 1, 1 };
	uint32_t state[] = { 0, 0 };

	check("nothing",
	      ranges_encode(&set, &code) == 0 && code.nr == 0 && ranges_decode(&code, &back) == 0 && !back.nr);
	range_code_fini(&code);
	run_set_add(&set, PG(5), PG(7), PAGE_CLEAN);
	run_set_add(&set, PG(7), PG(8), PAGE_CLEAN | PAGE_COLD);
	run_set_add(&set, PG(1ull << 35), PG((1ull << 35) + 100), PAGE_COLD);
	check("coded", ranges_encode(&set, &code) == 0 && code.nr == 3);
	check("gaps and lengths in pages", code.gap[0] == 5 && code.pages[0] == 2 && code.gap[1] == 0 &&
						   code.gap[2] == (1ull << 35) - 8 && code.pages[2] == 100);
	check("used and written, not the reverse",
	      code.state[0] == RANGE_USED && code.state[1] == 0 && code.state[2] == RANGE_WRITTEN);
	check("decoded as it was", ranges_decode(&code, &back) == 0 && back.nr == 3 &&
					   is_run(&back.v[0], 5, 7, PAGE_CLEAN) &&
					   is_run(&back.v[1], 7, 8, PAGE_CLEAN | PAGE_COLD) &&
					   is_run(&back.v[2], 1ull << 35, (1ull << 35) + 100, PAGE_COLD));
	range_code_fini(&code);
	run_set_fini(&back);
	run_set_fini(&set);

	code = (struct range_code){ huge, one, state, 2 };
	check("a gap beyond all addresses is refused", ranges_decode(&code, &back) == -EPROTO);
	run_set_fini(&back);
	code = (struct range_code){ one, huge, state, 2 };
	check("so are pages", ranges_decode(&code, &back) == -EPROTO);
	run_set_fini(&back);
}

static void test_classify(void)
{
	const unsigned int all = RANGE_USED | RANGE_WRITTEN | RANGE_TRACKED;
	struct run_set known = {}, untracked = {}, out = {};
	struct range_counts c;
	struct page_map map = {};

	page_map_add(&map, PG(10), 10, PE_PRESENT);
	page_map_add(&map, PG(20), 5, PE_PARENT);
	page_map_add(&map, PG(100), 4, PE_PRESENT | PE_LAZY);
	check("nothing known: used and written", ranges_classify(&map, &known, &untracked, &out) == 0 && out.nr == 2 &&
							 is_run(&out.v[0], 10, 25, all) &&
							 is_run(&out.v[1], 100, 104, all));
	run_set_fini(&out);

	run_set_add(&known, PG(0), PG(11), PAGE_CLEAN | PAGE_COLD);
	run_set_add(&known, PG(18), PG(22), PAGE_CLEAN);
	run_set_add(&known, PG(23), PG(50), PAGE_COLD);
	run_set_add(&untracked, PG(90), PG(102), 0);
	check("classified", ranges_classify(&map, &known, &untracked, &out) == 0 && out.nr == 7);
	check("along both maps",
	      out.nr == 7 && is_run(&out.v[0], 10, 11, RANGE_TRACKED) && is_run(&out.v[1], 11, 18, all) &&
		      is_run(&out.v[2], 18, 22, RANGE_USED | RANGE_TRACKED) && is_run(&out.v[3], 22, 23, all) &&
		      is_run(&out.v[4], 23, 25, RANGE_WRITTEN | RANGE_TRACKED));
	check("nobody looked at some", out.nr == 7 && is_run(&out.v[5], 100, 102, RANGE_USED | RANGE_WRITTEN) &&
					       is_run(&out.v[6], 102, 104, all));
	c = ranges_count(&out);
	check("counted", c.pages == 19 && c.hot == 16 && c.cold == 3 && c.written == 14);
	run_set_fini(&out);
	run_set_fini(&known);
	run_set_fini(&untracked);

	check("from the marks for a lazy restore", ranges_from_flags(&map, &out) == 0 && out.nr == 2 &&
							   is_run(&out.v[0], 10, 25, RANGE_USED) &&
							   is_run(&out.v[1], 100, 104, 0));
	run_set_fini(&out);
	page_map_fini(&map);
}

int main(void)
{
	test_code();
	test_classify();
	return tap_done();
}
