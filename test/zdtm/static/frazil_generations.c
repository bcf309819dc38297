// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an incremental image is about: pages are written one by one, in runs, and every
 * other one, for the first time and again, at random, in all the time that dumps take. A
 * page that was written after a pre-dump and not dumped again comes back with an older
 * generation; one that took the place of the zero page, as zeroes.
 */
#include "frazil.h"

const char *test_doc = "Pages that are written all the time have their last generation";
const char *test_author = "Frazil";

#define PAGES 4096
#define RUN   32

static int write_some(struct area *a)
{
	unsigned int from = any(PAGES), pages = any(3) ? 1 + any(RUN) : 1, step = 1 + any(2), i;

	for (i = 0; i < pages; i++)
		if (area_write(a, (from + i * step) % PAGES, 1))
			return 1;
	/* One that was never written becomes the zero page. */
	return area_check(a, any(PAGES), 1);
}

int main(int argc, char **argv)
{
	struct area a;
	int bad;

	test_init(argc, argv);

	bad = area_map(&a, PAGES, 0) || area_write(&a, 0, PAGES / 2);
	if (bad)
		return 1;

	test_daemon();
	while (test_go() && !bad) {
		bad = write_some(&a);
		usleep(500);
	}

	return test_end(bad || area_check_all(&a));
}
