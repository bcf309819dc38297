// SPDX-License-Identifier: GPL-2.0-only
/* The command line tool: finds the verb. One file per verb. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{ "check", cmd_check, "what this kernel, this criu and this user can do" },
	{ "status", cmd_status, "which tasks are tracked, and what is known of their pages" },
	{ "track", cmd_track, "begin to track a task, or begin a new round" },
	{ "untrack", cmd_untrack, "end it" },
	{ "working-set", cmd_working_set, "which memory the tasks in images used, and which not" },
	{ "flatten", cmd_flatten, "merges images and those they are on top of into one directory" },
	{},
};

/* Prints @s to standard output, in quotes, as JSON has strings. */
void print_json_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		if ((unsigned char)*s < 0x20)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void usage(FILE *f)
{
	const struct verb *v;

	fputs("Usage: frazil VERB [OPTIONS]\n\n", f);
	for (v = verbs; v->name; v++)
		fprintf(f, "  %-12s %s\n", v->name, v->help);
	fputs("\nfrazil VERB --help tells more. Tracking itself is done by criu, which loads\n"
	      "frazil_plugin.so: criu pre-dump, then criu dump --track-mem --prev-images-dir.\n",
	      f);
}

int main(int argc, char **argv)
{
	const struct verb *v;

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return EXIT_OK;
	}
	for (v = verbs; v->name; v++)
		if (!strcmp(argv[1], v->name))
			return v->run(argc - 1, argv + 1);
	fprintf(stderr, "frazil: no such verb: %s\n\n", argv[1]);
	usage(stderr);
	return EXIT_USAGE;
}
