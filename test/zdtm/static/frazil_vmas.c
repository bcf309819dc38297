// SPDX-License-Identifier: GPL-2.0-only
/*
 * 10,000 mappings of one or two pages, of which every other one can only be read and a few
 * are written all the time. What is asked, registered and noted per mapping must neither end
 * early nor come to stand beside the mapping it is about: then a page comes back with an older
 * generation or as another page. And it must not take so long that criu is given up.
 */
#include "frazil.h"

const char *test_doc = "A task with 10,000 mappings has all its pages";
const char *test_author = "Frazil";

#define VMAS  10000
#define PAGES (VMAS / 2 * 3)

/* Two pages that can be written, one that cannot, and so on. */
static int protect(struct area *a)
{
	unsigned int i;

	for (i = 2; i < PAGES; i += 3)
		if (mprotect(area_page(a, i), PAGE_BYTES, PROT_READ))
			return pr_perror("cannot make %u mappings", i / 3 * 2);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int i;
	struct area a;
	int bad;

	test_init(argc, argv);

	bad = area_map(&a, PAGES, 0);
	/* A third of the mappings has no page at all. */
	for (i = 0; !bad && i < PAGES; i++)
		if (i / 3 % 3)
			bad = area_write(&a, i, 1);
	bad = bad || protect(&a);
	if (bad)
		return 1;

	test_daemon();
	while (test_go() && !bad) {
		bad = area_write(&a, any(PAGES / 3) * 3 + any(2), 1) || area_check(&a, any(PAGES), 1);
		usleep(500);
	}

	return test_end(bad || area_check_all(&a));
}
