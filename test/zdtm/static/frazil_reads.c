// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that are only read are left to the first image, and may be closed by a tracker
 * each time. They are read by two processes that have them in common since a fork, in a
 * mapping where nothing is written, in one that cannot be written any more, between pages
 * that are written, and where there is only the zero page. A page that is taken for one
 * that is not there comes back as zeroes; one that is taken for a neighbour, with its number.
 */
#include "frazil.h"

const char *test_doc = "Pages that are only read keep their content";
const char *test_author = "Frazil";

#define PAGES 1024

static struct area still, sealed, empty, mixed;

static int read_some(unsigned int pages)
{
	unsigned int i;

	for (i = 0; i < pages; i++)
		if (area_check(&still, any(PAGES), 1) || area_check(&sealed, any(PAGES), 1) ||
		    area_check(&empty, any(PAGES), 1) || area_check(&mixed, any(PAGES), 1))
			return 1;
	return 0;
}

static int check_all(void)
{
	return area_check_all(&still) || area_check_all(&sealed) || area_check_all(&empty) || area_check_all(&mixed);
}

/* Its copy of the mixed pages is never written, those of the parent are. */
static int reader(void *unused)
{
	while (test_go()) {
		if (read_some(8))
			return 1;
		usleep(1000);
	}
	return check_all();
}

int main(int argc, char **argv)
{
	pid_t pid;
	int bad;

	test_init(argc, argv);

	bad = area_map(&still, PAGES, 0) || area_map(&sealed, PAGES, PAGES) || area_map(&empty, PAGES, 2 * PAGES) ||
	      area_map(&mixed, PAGES, 3 * PAGES) || area_write(&still, 0, PAGES) || area_write(&sealed, 0, PAGES) ||
	      area_write(&mixed, 0, PAGES);
	if (bad)
		return 1;
	if (mprotect(sealed.mem, PAGES * PAGE_BYTES, PROT_READ)) {
		pr_perror("mprotect");
		return 1;
	}
	pid = worker_start(reader, NULL);
	if (pid < 0)
		return 1;

	test_daemon();
	while (test_go() && !bad) {
		/* Every fourth page of a stretch; those in between are read only. */
		bad = area_write(&mixed, any(PAGES / 4) * 4, 1) || read_some(4);
		usleep(500);
	}

	bad |= check_all();
	bad |= worker_stop(pid);
	return test_end(bad);
}
