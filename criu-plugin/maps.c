// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mappings of a task, in the form in which criu hands them to a plugin, for when
 * there is no criu. Only as exact as vma_refusal() needs it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "image.h"

#include "maps.h"

static uint32_t protection(const char *perms)
{
	return (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
	       (perms[2] == 'x' ? PROT_EXEC : 0);
}

static uint32_t status(const char *perms, unsigned long inode, const char *path)
{
	bool shared = perms[3] == 's';

	/* vdso, vvar and the like; not heap, stack and what prctl() gave a name */
	if (!strncmp(path, "[v", 2) || !strcmp(path, "[uprobes]"))
		return 0;
	if (!strncmp(path, "/[aio]", 6))
		return VMA_AREA_REGULAR | VMA_AREA_AIORING;
	if (!strncmp(path, "/SYSV", 5))
		return VMA_AREA_REGULAR | VMA_AREA_SYSVIPC;
	if (!strncmp(path, "/dev/zero (deleted)", 19))
		return VMA_AREA_REGULAR | (shared ? VMA_ANON_SHARED : VMA_FILE_PRIVATE);
	if (inode)
		return VMA_AREA_REGULAR | (shared ? VMA_FILE_SHARED : VMA_FILE_PRIVATE);
	return VMA_AREA_REGULAR | (shared ? VMA_ANON_SHARED : VMA_ANON_PRIVATE);
}

static int add(struct maps *maps, size_t *cap, const struct cr_plugin_vma *vma)
{
	if (maps->nr == *cap) {
		size_t more = *cap ? 2 * *cap : 256;
		struct cr_plugin_vma *v = realloc(maps->vmas, more * sizeof(*v));

		if (!v)
			return -ENOMEM;
		maps->vmas = v;
		*cap = more;
	}
	maps->vmas[maps->nr++] = *vma;
	return 0;
}

/* A line of flags, which follows those of its mapping; see Documentation/filesystems/proc.rst. */
static void add_flags(struct cr_plugin_vma *vma, const char *flags)
{
	if (strstr(flags, " ht"))
		vma->flags |= MAP_HUGETLB;
	if (strstr(flags, " ss"))
		vma->status |= VMA_AREA_SHSTK;
}

static int read_line(struct maps *maps, size_t *cap, const char *line)
{
	unsigned long start, end, inode;
	char perms[5];
	int path = 0;

	if (!strncmp(line, "VmFlags:", 8)) {
		if (maps->nr)
			add_flags(&maps->vmas[maps->nr - 1], line);
		return 0;
	}
	if (sscanf(line, "%lx-%lx %4s %*x %*s %lu %n", &start, &end, perms, &inode, &path) < 4)
		return 0;
	if (!maps->exec_start && perms[0] == 'r' && perms[2] == 'x' && line[path] != '[')
		maps->exec_start = start;
	return add(maps, cap,
		   &(struct cr_plugin_vma){
			   .start = start,
			   .end = end,
			   .prot = protection(perms),
			   .flags = perms[3] == 's' ? MAP_SHARED : MAP_PRIVATE,
			   .status = status(perms, inode, line + path),
		   });
}

/*
 * Reads the mappings of @pid, in address order, to be freed with maps_fini().
 *
 * Returns 0; -ESRCH when there is no such task; another -errno.
 */
int maps_read(int pid, struct maps *maps)
{
	char path[32], *line = NULL;
	size_t len = 0, cap = 0;
	int ret = 0;
	FILE *f;

	*maps = (struct maps){};
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!ret && getline(&line, &len, f) >= 0)
		ret = read_line(maps, &cap, line);
	if (!ret && (ferror(f) || !maps->nr))
		ret = -ESRCH;
	free(line);
	fclose(f);
	if (ret)
		maps_fini(maps);
	return ret;
}

void maps_fini(struct maps *maps)
{
	free(maps->vmas);
	*maps = (struct maps){};
}
