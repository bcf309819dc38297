// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that were written are reclaimed, and faulted in again by reading or writing. What
 * is known of a page has to come along into swap and back, and a page that is in swap is
 * not one that is not there. A write that is forgotten on that way shows as an older
 * generation, a page that is taken for none as zeroes. Where there is no swap, nothing is
 * reclaimed, and this is one more test of generations.
 */
#include "frazil.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

const char *test_doc = "Pages that were written have it remembered through swap";
const char *test_author = "Frazil";

#define PAGES 2048
#define RUN   32

static int step(struct area *a)
{
	unsigned int page = any(PAGES - RUN);

	switch (any(4)) {
	case 0:
		/* What was there before, written or not. */
		break;
	case 1:
		if (area_check(a, page, RUN))
			return 1;
		break;
	default:
		if (area_write(a, page, 1 + any(RUN)))
			return 1;
	}
	/* Not known before Linux 5.4. */
	if (!any(2) && madvise(area_page(a, page), RUN * PAGE_BYTES, MADV_PAGEOUT) && errno != EINVAL)
		return pr_perror("cannot reclaim pages");
	return 0;
}

int main(int argc, char **argv)
{
	struct area a;
	int bad;

	test_init(argc, argv);

	bad = area_map(&a, PAGES, 0) || area_write(&a, 0, PAGES / 2);
	if (bad)
		return 1;
	madvise(a.mem, PAGES * PAGE_BYTES, MADV_PAGEOUT);

	test_daemon();
	while (test_go() && !bad) {
		bad = step(&a);
		usleep(1000);
	}

	return test_end(bad || area_check_all(&a));
}
