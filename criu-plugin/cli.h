/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FRAZIL_CLI_H
#define FRAZIL_CLI_H

/* Exit statuses of the verbs. */
#define EXIT_OK	   0
#define EXIT_NO	   1 /* asked and answered: no */
#define EXIT_USAGE 2

int cmd_check(int argc, char **argv);
int cmd_flatten(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_track(int argc, char **argv);
int cmd_untrack(int argc, char **argv);
int cmd_working_set(int argc, char **argv);

void print_json_string(const char *s);

#endif
