// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that can't be read has content all the same. CRIU leaves it out of some pre-dumps,
 * so that what was written before it was closed may be in no image when it can be read again,
 * and must not count as clean then. Beside it, a stack that grows: its mapping begins elsewhere
 * each time. A page that was left to an image that has none comes back as zeroes or with an
 * older generation.
 */
#include "frazil.h"

const char *test_doc = "Memory that can't be read for a while, and stacks that grow, have their pages";
const char *test_author = "Frazil";

#define SLOTS	    16
#define PAGES	    32
#define STACK_PAGES 128

static struct slot {
	struct area a;
	int prot;
} slots[SLOTS];
static struct area stack;
static unsigned int grown;

/* Written, closed, and from there either readable first or writable at once. */
static int turn(struct slot *s)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	int prot = prots[any(3)];

	if (s->prot & PROT_READ && area_check_all(&s->a))
		return 1;
	if (s->prot & PROT_WRITE && area_write(&s->a, any(PAGES - 4), 4))
		return 1;
	if (mprotect(s->a.mem, PAGES * PAGE_BYTES, prot))
		return pr_perror("mprotect");
	s->prot = prot;
	return prot & PROT_READ ? area_check_all(&s->a) : 0;
}

/* One page, at first; there is nothing else in the stack's reach. */
static int renew_stack(void)
{
	char *top = area_page(&stack, STACK_PAGES - 1);

	if (grown && munmap(area_page(&stack, STACK_PAGES - grown), grown * PAGE_BYTES))
		return pr_perror("cannot unmap the stack");
	area_zeroed(&stack, 0, STACK_PAGES);
	grown = 1;
	if (mmap(top, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1,
		 0) != top)
		return pr_perror("cannot map a stack");
	return 0;
}

static int grow_stack(void)
{
	unsigned int first = STACK_PAGES - grown;

	if (area_check(&stack, first, grown) || area_write(&stack, first + any(grown), 1))
		return 1;
	if (grown == STACK_PAGES)
		return renew_stack();
	grown++;
	return area_write(&stack, STACK_PAGES - grown, 1);
}

static int map_stack(void)
{
	/* Below it the kernel wants 1 MiB that nobody can access. */
	unsigned int below = 512;

	if (area_map(&stack, STACK_PAGES, 1 << 20))
		return 1;
	munmap(stack.mem, STACK_PAGES * PAGE_BYTES);
	stack.mem = mmap(NULL, (below + STACK_PAGES) * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.mem == MAP_FAILED)
		return pr_perror("cannot find room for a stack");
	stack.mem += below * PAGE_BYTES;
	munmap(stack.mem, STACK_PAGES * PAGE_BYTES);
	return renew_stack();
}

int main(int argc, char **argv)
{
	int bad = 0, i;

	test_init(argc, argv);

	for (i = 0; i < SLOTS && !bad; i++) {
		slots[i].prot = PROT_READ | PROT_WRITE;
		bad = area_map(&slots[i].a, PAGES, i * PAGES) || area_write(&slots[i].a, 0, PAGES) || turn(&slots[i]);
	}
	bad = bad || map_stack();
	if (bad)
		return 1;

	test_daemon();
	while (test_go() && !bad) {
		bad = turn(&slots[any(SLOTS)]) || (!any(4) && grow_stack());
		usleep(1000);
	}

	for (i = 0; i < SLOTS && !bad; i++)
		bad = mprotect(slots[i].a.mem, PAGES * PAGE_BYTES, PROT_READ) || area_check_all(&slots[i].a);
	return test_end(bad || area_check(&stack, STACK_PAGES - grown, grown));
}
