/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_FAULTS_H
#define FRAZIL_FAULTS_H

#include "frozen.h"

int faults_begin(struct frozen *f);
void faults_end(struct frozen *f);
void faults_lock(void);
void faults_unlock(void);

#endif
