// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user can decide. Plugins get no options from criu, and a container engine
 * passes none through, so there is a file, and for a single run the environment.
 *
 *	# /etc/criu/frazil.conf, or what FRAZIL_CONFIG names
 *	tracker = wp
 *	lazy_parent = no
 *	freeze = fork
 *
 * FRAZIL_TRACKER, FRAZIL_LAZY_PARENT and FRAZIL_FREEZE come before it. Anything that is not
 * understood is an error: a dump that is not what was asked for helps nobody.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "freezer.h"
#include "tracker.h"

static int set_tracker(struct config *c, const char *value)
{
	const struct tracker *t;

	if (!strcmp(value, "auto")) {
		c->tracker = NULL;
		return 0;
	}
	if (!strcmp(value, "none")) {
		c->tracker = "none";
		return 0;
	}
	t = tracker_find(value);
	if (!t)
		return -EINVAL;
	c->tracker = t->name;
	return 0;
}

static int set_lazy_parent(struct config *c, const char *value)
{
	if (strcmp(value, "yes") && strcmp(value, "no"))
		return -EINVAL;
	c->lazy_parent = value[0] == 'y';
	return 0;
}

static int set_freeze(struct config *c, const char *value)
{
	const struct freezer *f = freezer_find(value);

	if (!f && strcmp(value, "auto") && strcmp(value, "none"))
		return -EINVAL;
	c->freeze = f ? f->name : !strcmp(value, "none") ? "none" : NULL;
	return 0;
}

static const struct option {
	const char *key;
	const char *env;
	const char *values;
	int (*set)(struct config *c, const char *value);
} options[] = {
	{ "tracker", "FRAZIL_TRACKER", "auto, deactivate, rwp, wp or none", set_tracker },
	{ "lazy_parent", "FRAZIL_LAZY_PARENT", "yes or no", set_lazy_parent },
	{ "freeze", "FRAZIL_FREEZE", "auto, deactivate, fork, wp or none", set_freeze },
	{},
};

static int set_option(struct config *c, const struct option *o, const char *value, const char *where, char *error,
		      size_t len)
{
	if (!o->set(c, value))
		return 0;
	snprintf(error, len, "%s: %s is '%s', and has to be %s", where, o->key, value, o->values);
	return -EINVAL;
}

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

static int read_line(struct config *c, char *line, const char *where, char *error, size_t len)
{
	const struct option *o;
	char *key, *value;

	line[strcspn(line, "#")] = '\0';
	key = trim(line);
	if (!*key)
		return 0;
	value = strchr(key, '=');
	if (!value) {
		snprintf(error, len, "%s: '%s' is not of the form key = value", where, key);
		return -EINVAL;
	}
	*value++ = '\0';
	key = trim(key);
	for (o = options; o->key; o++)
		if (!strcmp(o->key, key))
			return set_option(c, o, trim(value), where, error, len);
	snprintf(error, len, "%s: there is no option '%s'", where, key);
	return -EINVAL;
}

static int read_file(struct config *c, const char *path, bool must_exist, char *error, size_t len)
{
	char *line = NULL, where[512];
	size_t cap = 0;
	int ret = 0, nr = 0;
	FILE *f = fopen(path, "re");

	if (!f) {
		if (errno == ENOENT && !must_exist)
			return 0;
		ret = -errno;
		snprintf(error, len, "%s: %s", path, strerror(-ret));
		return ret;
	}
	while (!ret && getline(&line, &cap, f) >= 0) {
		snprintf(where, sizeof(where), "%s:%d", path, ++nr);
		ret = read_line(c, line, where, error, len);
	}
	if (!ret && ferror(f)) {
		ret = -EIO;
		snprintf(error, len, "%s: cannot be read", path);
	}
	free(line);
	fclose(f);
	return ret;
}

/*
 * Reads the configuration into *@c, defaults for what it does not mention.
 *
 * Returns 0, or -errno with a message in @error that names file and line.
 */
int config_read(struct config *c, char *error, size_t error_len)
{
	const char *path = getenv("FRAZIL_CONFIG");
	const struct option *o;
	int ret;

	*c = (struct config){ .lazy_parent = true };
	ret = read_file(c, path ?: CONFIG_FILE, path != NULL, error, error_len);
	for (o = options; o->key && !ret; o++) {
		const char *value = getenv(o->env);

		if (value)
			ret = set_option(c, o, value, o->env, error, error_len);
	}
	return ret;
}
