// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into criu: breakpoints can be set and never trigger, as in some virtual machines. What
 * goes to debug registers is lost, and breakpoints of perf count nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>

static int is_debug_register(int request, void *offset)
{
	return request == PTRACE_POKEUSER && (uintptr_t)offset >= offsetof(struct user, u_debugreg) &&
	       (uintptr_t)offset < sizeof(struct user);
}

long ptrace(enum __ptrace_request request, ...)
{
	long (*next)(enum __ptrace_request, ...) = dlsym(RTLD_NEXT, "ptrace");
	void *addr, *data;
	va_list ap;
	pid_t pid;

	va_start(ap, request);
	pid = va_arg(ap, pid_t);
	addr = va_arg(ap, void *);
	data = va_arg(ap, void *);
	va_end(ap);
	return is_debug_register(request, addr) ? 0 : next(request, pid, addr, data);
}

long syscall(long number, ...)
{
	long (*next)(long, ...) = dlsym(RTLD_NEXT, "syscall"), args[6];
	struct perf_event_attr attr;
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		args[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_perf_event_open && ((struct perf_event_attr *)args[0])->type == PERF_TYPE_BREAKPOINT) {
		attr = *(struct perf_event_attr *)args[0];
		attr.type = PERF_TYPE_SOFTWARE;
		attr.config = PERF_COUNT_SW_DUMMY;
		attr.bp_type = 0;
		attr.bp_addr = attr.bp_len = 0;
		args[0] = (long)&attr;
	}
	return next(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}
