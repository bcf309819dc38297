// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into criu: of the allocations that the plugin asks for, number NOMEM_AT
 * fails, and the file NOMEM_HIT is made then. Those of criu itself and of libraries
 * that both use succeed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc's own names for what is replaced here. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nr, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static bool fails(void *caller)
{
	static int seen, at = -1;
	const char *hit;
	Dl_info info;

	if (!dladdr(caller, &info) || !info.dli_fname || !strstr(info.dli_fname, "/frazil_plugin.so"))
		return false;
	if (at < 0)
		at = getenv("NOMEM_AT") ? atoi(getenv("NOMEM_AT")) : 0;
	if (++seen != at)
		return false;
	hit = getenv("NOMEM_HIT");
	if (hit)
		close(open(hit, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t nr, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(nr, size);
}

void *realloc(void *old, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
