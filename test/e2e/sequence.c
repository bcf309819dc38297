// SPDX-License-Identifier: GPL-2.0-only
/*
 * sequence REPORT - a task that is in a restartable sequence nearly all the time
 *
 * Writes its pid to REPORT; and at SIGUSR1 how many sequences it went through, how many were
 * sent back to their beginning, and how many went on though the kernel had forgotten them, which
 * must not be: who interrupts one and lets it go on where it was breaks what it is there for. Or
 * "none" in place of the pid where there are none.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/rseq.h>
#include <unistd.h>

/* Some milliseconds. */
#define STEPS 5000000u

enum { THROUGH, SENT_BACK, TORN };

static volatile sig_atomic_t asked;

static void ask(int sig)
{
	(void)sig;
	asked = 1;
}

/* Returns what rseq_cs is in the end of it: 0 when it was forgotten; or 1 when it was sent back. */
static unsigned long go(struct rseq *rseq)
{
	unsigned long noted;
	unsigned int steps = STEPS;

	__asm__ volatile("	.pushsection __rseq_cs, \"aw\"\n"
			 "	.balign 32\n"
			 "3:	.long	0, 0\n"
			 "	.quad	1f, 2f - 1f, 4f\n"
			 "	.popsection\n"
			 "	leaq	3b(%%rip), %[noted]\n"
			 "	movq	%[noted], %[cs]\n"
			 "1:	decl	%[steps]\n"
			 "	jnz	1b\n"
			 "	movq	%[cs], %[noted]\n"
			 "2:	movq	$0, %[cs]\n"
			 "	.pushsection __rseq_failure, \"ax\"\n"
			 "	.byte	0x0f, 0xb9, 0x3d\n"
			 "	.long	%c[sig]\n"
			 "4:	movq	$1, %[noted]\n"
			 "	jmp	2b\n"
			 "	.popsection\n"
			 : [noted] "=&r"(noted), [cs] "+m"(rseq->rseq_cs), [steps] "+r"(steps)
			 : [sig] "i"(RSEQ_SIG)
			 : "memory", "cc");
	return noted;
}

static void report(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f)) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct rseq *rseq = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	unsigned long counts[3] = {}, noted;
	char text[128];

	if (argc != 2)
		return 2;
	signal(SIGUSR1, ask);
	if (__rseq_size)
		snprintf(text, sizeof(text), "%d\n", getpid());
	report(argv[1], __rseq_size ? text : "none\n");
	if (!__rseq_size)
		return 0;
	for (;;) {
		noted = go(rseq);
		counts[!noted ? TORN : noted == 1 ? SENT_BACK : THROUGH]++;
		if (!asked)
			continue;
		asked = 0;
		snprintf(text, sizeof(text), "%lu %lu %lu\n", counts[THROUGH], counts[SENT_BACK], counts[TORN]);
		report(argv[1], text);
	}
}
