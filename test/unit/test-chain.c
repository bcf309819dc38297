// SPDX-License-Identifier: GPL-2.0-only
/* Which page comes from which images: criu-plugin/chain.c without any files. */
#define _GNU_SOURCE
#include "chain.c"
#include "tap.h"

#define PG(n) ((n)*PAGE_BYTES)
#define HERE  PE_PRESENT
#define UP    PE_PARENT

static int same(const struct piece *p, uint64_t start, uint64_t end, unsigned int level, uint64_t page,
		unsigned int flags)
{
	return p->start == PG(start) && p->end == PG(end) && p->level == level && p->offset == PG(page) &&
	       p->flags == flags;
}

static void test_add(void)
{
	struct page_map m = {};

	check("no page: left out", page_map_add(&m, PG(1), 0, HERE) == 0 && m.nr == 0);
	check("an entry", page_map_add(&m, PG(4), 2, HERE) == 0 && m.nr == 1 && m.file_bytes == PG(2));
	check("a hole takes nothing of the file",
	      page_map_add(&m, PG(6), 3, UP) == 0 && m.file_bytes == PG(2) && m.has_parent);
	check("the next is behind it in the file",
	      page_map_add(&m, PG(20), 1, HERE | PE_LAZY) == 0 && m.v[2].offset == PG(2));
	check("one that overlaps is refused", page_map_add(&m, PG(20), 1, HERE) == -EEXIST);
	check("one that goes back is refused", page_map_add(&m, PG(1), 1, HERE) == -EEXIST);
	check("an address within a page is refused", page_map_add(&m, PG(30) + 8, 1, HERE) == -EINVAL);
	check("too many pages are refused", page_map_add(&m, PG(30), UINT64_MAX, HERE) == -EINVAL &&
						    page_map_add(&m, PG(30), UINT64_MAX / PAGE_BYTES, HERE) == -EINVAL);
	check("both here and there is refused", page_map_add(&m, PG(30), 1, HERE | UP) == -EBADMSG);
	check("nowhere is refused", page_map_add(&m, PG(30), 1, 0) == -EBADMSG);
	check("what was refused left nothing", m.nr == 3);
	page_map_fini(&m);
	check("fini leaves an empty map", !m.v && !m.nr && !m.file_bytes && !m.has_parent);
}

static void test_append(void)
{
	const uint64_t most = ENTRY_MAX_BYTES / PAGE_BYTES;
	struct page_map m = {};

	page_map_append(&m, PG(1), PG(3), HERE);
	page_map_append(&m, PG(3), PG(5), HERE);
	check("neighbours with the same flags become one", m.nr == 1 && m.v[0].end == PG(5) && m.file_bytes == PG(4));
	page_map_append(&m, PG(5), PG(6), HERE | PE_LAZY);
	page_map_append(&m, PG(7), PG(8), HERE | PE_LAZY);
	check("other flags or a gap begin a new one", m.nr == 3 && m.v[2].offset == PG(5));
	page_map_append(&m, PG(8), PG(8 + 2 * most), HERE | PE_LAZY);
	check("an entry that gets too long is cut",
	      m.nr == 5 && m.v[2].end - m.v[2].start == ENTRY_MAX_BYTES && m.v[3].start == m.v[2].end &&
		      m.v[3].end - m.v[3].start == ENTRY_MAX_BYTES && m.v[4].end == PG(8 + 2 * most) &&
		      m.file_bytes == PG(6 + 2 * most));
	page_map_fini(&m);
}

/* The picture in chain.c. */
static void test_picture(void)
{
	struct page_map l[3] = {};
	struct piece_list out = {};
	struct page_map entries = {};
	struct chain_fault fault;
	int ret;

	page_map_add(&l[0], PG(2), 8, UP | PE_LAZY);
	page_map_add(&l[0], PG(14), 4, HERE);
	page_map_add(&l[1], PG(2), 2, HERE);
	page_map_add(&l[1], PG(4), 4, UP);
	page_map_add(&l[1], PG(8), 2, HERE | PE_LAZY);
	page_map_add(&l[2], PG(0), 8, HERE);
	ret = chain_resolve(l, 3, &out, &fault);
	check("one entry from pieces of three levels",
	      ret == 0 && out.nr == 4 && same(&out.v[0], 2, 4, 1, 0, HERE | PE_LAZY) &&
		      same(&out.v[1], 4, 8, 2, 4, HERE | PE_LAZY) && same(&out.v[2], 8, 10, 1, 2, HERE | PE_LAZY) &&
		      same(&out.v[3], 14, 18, 0, 0, HERE));
	ret = chain_entries(&out, &entries);
	check("the flags are those of the top, and neighbours one entry",
	      ret == 0 && entries.nr == 2 && entries.v[0].start == PG(2) && entries.v[0].end == PG(10) &&
		      entries.v[0].flags == (HERE | PE_LAZY) && entries.file_bytes == PG(12));
	piece_list_fini(&out);
	page_map_fini(&entries);

	ret = chain_resolve(l, 2, &out, &fault);
	check("no further parent", ret == -ENOENT && fault.addr == PG(4) && fault.level == 2);
	piece_list_fini(&out);
	ret = chain_resolve(l, 1, &out, &fault);
	check("no parent at all", ret == -ENOENT && fault.addr == PG(2) && fault.level == 1);
	piece_list_fini(&out);

	page_map_fini(&l[1]);
	page_map_add(&l[1], PG(2), 7, HERE);
	ret = chain_resolve(l, 3, &out, &fault);
	check("the parent lacks the last page: found neither in older ones",
	      ret == -ENOENT && fault.addr == PG(9) && fault.level == 1);
	piece_list_fini(&out);

	page_map_fini(&l[1]);
	page_map_add(&l[1], PG(2), 3, UP);
	page_map_add(&l[1], PG(5), 5, PE_LAZY);
	ret = chain_resolve(l, 3, &out, &fault);
	check("a page left to a page server", ret == -ENODATA && fault.addr == PG(5) && fault.level == 1);
	piece_list_fini(&out);
	page_map_fini(&l[0]);
	ret = chain_resolve(l, 3, &out, &fault);
	check("an empty pagemap needs nothing", ret == 0 && out.nr == 0);
	page_map_fini(&l[1]);
	page_map_fini(&l[2]);
}

/*
 * Random chains against a page by page model: every page has a number that says in which
 * level and where in its file it is.
 */
static void test_random(void)
{
	enum { PAGES = 48, LEVELS = 4 };
	int round, bad = 0, found = 0;

	srand(1);
	for (round = 0; round < 5000; round++) {
		struct page_map l[LEVELS] = {}, entries = {};
		struct piece_list out = {};
		struct chain_fault fault;
		uint64_t in_file[LEVELS] = {}, where[LEVELS][PAGES], i, e = 0, at = 0;
		unsigned int flags[LEVELS][PAGES], want = 0;
		int ret, k, first_bad = -1;

		for (k = LEVELS - 1; k >= 0; k--) {
			unsigned int f = 0;

			for (i = 0; i < PAGES; i++) {
				if (rand() % 3 == 0)
					f = rand() % 6 ? HERE : 0;
				flags[k][i] = f;
				/* Mostly right parents: one that has it is there. */
				if (k + 1 < LEVELS && flags[k + 1][i] && rand() % 2)
					flags[k][i] = UP;
				else if (rand() % 500 == 0)
					flags[k][i] = UP;
				if (flags[k][i] && rand() % 2)
					flags[k][i] |= PE_LAZY;
			}
			for (i = 0; i < PAGES; i++) {
				where[k][i] = in_file[k];
				in_file[k] += flags[k][i] & HERE ? PAGE_BYTES : 0;
			}
			for (i = 0; i < PAGES; i = e) {
				for (e = i + 1; e < PAGES && flags[k][e] == flags[k][i] && rand() % 8; e++)
					;
				if (flags[k][i])
					bad += page_map_add(&l[k], PG(i), e - i, flags[k][i]) != 0;
			}
		}
		ret = chain_resolve(l, LEVELS, &out, &fault);
		bad += ret == 0 && chain_entries(&out, &entries) != 0;
		for (i = 0, e = 0; i < PAGES && first_bad < 0; i++) {
			if (!flags[0][i])
				continue;
			for (k = 0; k < LEVELS && flags[k][i] & UP; k++)
				;
			if (k == LEVELS || !flags[k][i]) {
				first_bad = i;
				bad += ret != -ENOENT || fault.addr != PG(i) || fault.level != (size_t)k;
				break;
			}
			while (e < out.nr && out.v[e].end <= PG(i))
				e++;
			bad += e == out.nr || out.v[e].start > PG(i) || out.v[e].level != (unsigned int)k ||
			       out.v[e].offset + PG(i) - out.v[e].start != where[k][i];
			found++;
		}
		bad += first_bad < 0 && ret;
		for (i = 0, e = 0; !ret && i < PAGES; i++) {
			want = flags[0][i] ? HERE | (flags[0][i] & PE_LAZY) : 0;
			while (e < entries.nr && entries.v[e].end <= PG(i))
				e++;
			if (e < entries.nr && entries.v[e].start <= PG(i)) {
				bad += entries.v[e].flags != want ||
				       entries.v[e].offset + PG(i) - entries.v[e].start != at;
				at += PAGE_BYTES;
			} else {
				bad += want;
			}
		}
		for (k = 0; k < LEVELS; k++)
			page_map_fini(&l[k]);
		page_map_fini(&entries);
		piece_list_fini(&out);
	}
	check("5000 random chains agree with a page by page model", bad == 0 && found > 50000);
}

int main(void)
{
	test_add();
	test_append();
	test_picture();
	test_random();
	return tap_done();
}
