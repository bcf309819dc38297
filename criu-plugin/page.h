/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_PAGE_H
#define FRAZIL_PAGE_H

/* What pagemaps count in. Huge pages are many of these. */
#define PAGE_BYTES 4096ull

/* To open or close a part of one of these splits it. */
#define HUGE_BYTES (2ull << 20)

#endif
