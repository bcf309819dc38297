/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel series and newer kernels add to linux/userfaultfd.h and linux/fs.h.
 * Distribution headers lack it; the numbers of the series are those of kernel/README.md.
 */
#ifndef FRAZIL_UAPI_H
#define FRAZIL_UAPI_H

#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/userfaultfd.h>

#ifndef UFFD_FEATURE_MINOR_ANON
#define UFFD_FEATURE_MINOR_ANON	 (1 << 29)
#define UFFD_FEATURE_MINOR_ASYNC (1 << 30)
#define UFFDIO_DEACTIVATE	 _IOR(UFFDIO, 0x30, struct uffdio_range)

struct uffdio_set_mode {
	__u64 enable;
	__u64 disable;
};

#define UFFDIO_SET_MODE _IOW(UFFDIO, 0x31, struct uffdio_set_mode)
#endif

/* Linux 6.7. Debian 12's headers are older, and the unit tests build there. */
#ifndef PAGEMAP_SCAN
#define PAGE_IS_WPALLOWED  (1 << 0)
#define PAGE_IS_WRITTEN	   (1 << 1)
#define PAGE_IS_FILE	   (1 << 2)
#define PAGE_IS_PRESENT	   (1 << 3)
#define PAGE_IS_SWAPPED	   (1 << 4)
#define PAGE_IS_PFNZERO	   (1 << 5)
#define PAGE_IS_HUGE	   (1 << 6)
#define PAGE_IS_SOFT_DIRTY (1 << 7)

struct page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};

#define PM_SCAN_WP_MATCHING (1 << 0)

struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};

#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#endif

#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/* Linux 7.3. Other kernels give these bits another meaning, or will: probe, see tracker.c. */
#ifndef UFFDIO_REGISTER_MODE_RWP
#define UFFDIO_REGISTER_MODE_RWP  (1ull << 3)
#define UFFD_FEATURE_RWP	  (1 << 17)
#define UFFD_FEATURE_RWP_ASYNC	  (1 << 18)
#define UFFDIO_RWPROTECT_MODE_RWP (1ull << 0)

struct uffdio_rwprotect {
	struct uffdio_range range;
	__u64 mode;
};

#define UFFDIO_RWPROTECT _IOWR(UFFDIO, 0x09, struct uffdio_rwprotect)
#define PAGE_IS_ACCESSED (1 << 9)
#endif

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

#ifndef PAGE_IS_UFFD_DEACTIVATED
#define PAGE_IS_UFFD_DEACTIVATED (1 << 30)
#endif

#endif
