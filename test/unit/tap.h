/* SPDX-License-Identifier: GPL-2.0-only */
/* As much of TAP as the unit tests need: check() counts, and names what fails. */
#ifndef TEST_UNIT_TAP_H
#define TEST_UNIT_TAP_H

#include <stdio.h>

static int tap_count, tap_failed;

#define check(name, cond)                                                                                              \
	do {                                                                                                           \
		int ok_ = !!(cond);                                                                                    \
		printf("%sok %d - %s%s\n", ok_ ? "" : "not ", ++tap_count, name, ok_ ? "" : " # " #cond);              \
		tap_failed += !ok_;                                                                                    \
	} while (0)

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
