/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_THREAD_H
#define FRAZIL_THREAD_H

#include <pthread.h>

int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg);

#endif
