/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the program has to provide that tracking runs in: criu through the plugin, or
 * the command line tool.
 */
#ifndef FRAZIL_HOST_H
#define FRAZIL_HOST_H

enum host_level { HOST_ERROR, HOST_WARN, HOST_INFO, HOST_DEBUG };

void __attribute__((format(printf, 2, 3))) host_log(enum host_level level, const char *fmt, ...);

/* Runs a program to its end, with nothing open but what it is given. Returns 0 if that was a success. */
int host_run(const char *path, char *const argv[]);

#define log_err(fmt, ...)   host_log(HOST_ERROR, fmt, ##__VA_ARGS__)
#define log_warn(fmt, ...)  host_log(HOST_WARN, fmt, ##__VA_ARGS__)
#define log_info(fmt, ...)  host_log(HOST_INFO, fmt, ##__VA_ARGS__)
#define log_debug(fmt, ...) host_log(HOST_DEBUG, fmt, ##__VA_ARGS__)

#endif
