// SPDX-License-Identifier: GPL-2.0-only
/*
 * CRIU's pagemap images: magic numbers, then messages with their length before them,
 * a pagemap_head and any number of pagemap_entry. See criu/image.c and
 * criu/pagemap.c of CRIU 4.1.1; numbers are in the byte order of the machine.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "images/pagemap.pb-c.h"

#include "pagemap.h"

/* IMG_COMMON_MAGIC and PAGEMAP_MAGIC of criu/include/magic.h */
#define COMMON_MAGIC  0x54564319u
#define PAGEMAP_MAGIC 0x56084025u

/* An entry has some 20 bytes. */
#define MESSAGE_MAX_BYTES 4096

/* nr_pages of pagemap_entry since CRIU 4.2, in 64 bits; field 2 is 0 then. */
#define FIELD_NR_PAGES 5

/* Whether @name is that of a pagemap image; if so, *@of is filled in. */
bool pagemap_parse_name(const char *name, struct pagemap_name *of)
{
	char *end;

	if (strncmp(name, "pagemap-", 8))
		return false;
	name += 8;
	of->shmem = !strncmp(name, "shmem-", 6);
	if (of->shmem)
		name += 6;
	if (!isdigit((unsigned char)*name))
		return false;
	errno = 0;
	of->id = strtoul(name, &end, 10);
	return !errno && !strcmp(end, ".img");
}

/* Returns 0, -ENODATA at the end of the file, -EPROTO in the middle of a number, -EIO. */
static int read_u32(FILE *f, uint32_t *value)
{
	size_t got = fread(value, 1, sizeof(*value), f);

	if (got == sizeof(*value))
		return 0;
	if (ferror(f))
		return -EIO;
	return got ? -EPROTO : -ENODATA;
}

/* Reads the next message into @buf. Returns 0, -ENODATA after the last, -EPROTO or -EIO. */
static int read_message(FILE *f, uint8_t *buf, uint32_t *len)
{
	int ret = read_u32(f, len);

	if (ret)
		return ret;
	if (*len > MESSAGE_MAX_BYTES)
		return -EPROTO;
	if (fread(buf, 1, *len, f) == *len)
		return 0;
	return ferror(f) ? -EIO : -EPROTO;
}

static int read_head(FILE *f, struct pagemap *pm)
{
	uint8_t buf[MESSAGE_MAX_BYTES];
	PagemapHead *head;
	uint32_t magic, len;
	int ret;

	ret = read_u32(f, &magic);
	pm->old_magic = !ret && magic == PAGEMAP_MAGIC;
	if (!ret && magic == COMMON_MAGIC)
		ret = read_u32(f, &magic);
	if (!ret && magic != PAGEMAP_MAGIC)
		ret = -EPROTO;
	if (!ret)
		ret = read_message(f, buf, &len);
	if (ret)
		return ret == -ENODATA ? -EPROTO : ret;
	head = pagemap_head__unpack(NULL, len, buf);
	if (!head)
		return -EPROTO;
	pm->pages_id = head->pages_id;
	pagemap_head__free_unpacked(head, NULL);
	return 0;
}

/*
 * How many pages an entry has. Returns 0, or -EPROTO when it has fields that this does
 * not know: with them, the pages may be stored in another way.
 */
static int entry_pages(const PagemapEntry *e, uint64_t *pages)
{
	unsigned int i, shift;
	size_t b;

	*pages = e->nr_pages;
	for (i = 0; i < e->base.n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *u = &e->base.unknown_fields[i];

		if (u->tag != FIELD_NR_PAGES || u->wire_type != PROTOBUF_C_WIRE_TYPE_VARINT || u->len > 9)
			return -EPROTO;
		*pages = 0;
		for (b = 0, shift = 0; b < u->len; b++, shift += 7)
			*pages |= (uint64_t)(u->data[b] & 0x7f) << shift;
	}
	return 0;
}

/* As init_compat_pagemap_entry() of CRIU: entries of old images have no flags. */
static uint32_t entry_flags(const PagemapEntry *e)
{
	uint32_t flags = e->has_flags ? e->flags : 0;

	if (e->has_in_parent && e->in_parent)
		return flags | PE_PARENT;
	return e->has_flags ? flags : PE_PRESENT;
}

static int add_entry(struct pagemap *pm, const uint8_t *buf, uint32_t len, const char **why)
{
	PagemapEntry *e = pagemap_entry__unpack(NULL, len, buf);
	uint64_t pages;
	int ret;

	if (!e || entry_pages(e, &pages) || entry_flags(e) & ~(PE_PARENT | PE_LAZY | PE_PRESENT)) {
		*why = "damaged, or written by a newer criu: an entry cannot be decoded";
		ret = -EPROTO;
	} else {
		ret = page_map_add(&pm->map, e->vaddr, pages, entry_flags(e));
		if (ret == -EINVAL)
			*why = "damaged: an entry has no valid address";
		else if (ret == -EEXIST)
			*why = "damaged: entries overlap, or are not in address order";
		else if (ret == -EBADMSG)
			*why = "damaged: an entry does not say where its pages are";
		else if (ret)
			*why = strerror(-ret);
	}
	if (e)
		pagemap_entry__free_unpacked(e, NULL);
	return ret && ret != -ENOMEM ? -EPROTO : ret;
}

static int read_entries(FILE *f, struct pagemap *pm, const char **why)
{
	uint8_t buf[MESSAGE_MAX_BYTES];
	uint32_t len;
	int ret;

	while (!(ret = read_message(f, buf, &len))) {
		ret = add_entry(pm, buf, len, why);
		if (ret)
			return ret;
	}
	return ret == -ENODATA ? 0 : ret;
}

/*
 * Reads the pagemap image @name of the directory @dir_fd into *@pm, to be freed with
 * pagemap_fini().
 *
 * Returns 0; -ENOENT when there is none; -EPROTO when it is damaged; another -errno.
 * After an error *@why says what is wrong, and nothing has to be freed.
 */
int pagemap_read(int dir_fd, const char *name, struct pagemap *pm, const char **why)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC), ret;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	*pm = (struct pagemap){};
	if (!f) {
		ret = -errno;
		*why = strerror(-ret);
		if (fd >= 0)
			close(fd);
		return ret;
	}
	*why = NULL;
	ret = read_head(f, pm);
	if (ret == -EPROTO)
		*why = "damaged: it does not begin as a pagemap image does";
	if (!ret)
		ret = read_entries(f, pm, why);
	fclose(f);
	if (!ret)
		return 0;
	if (!*why)
		*why = ret == -EPROTO ? "damaged: it ends in the middle of an entry" : strerror(-ret);
	pagemap_fini(pm);
	return ret;
}

static void write_message(FILE *f, const uint8_t *buf, uint32_t len)
{
	fwrite(&len, sizeof(len), 1, f);
	fwrite(buf, len, 1, f);
}

/*
 * Writes a pagemap image to @f, with flags and without in_parent, as CRIU 4.1.1 does.
 *
 * Returns 0 or -errno; data may still be in the buffer of @f.
 */
int pagemap_write(FILE *f, const struct pagemap *pm)
{
	const uint32_t common = COMMON_MAGIC, magic = PAGEMAP_MAGIC;
	PagemapHead head = PAGEMAP_HEAD__INIT;
	uint8_t buf[64] = {};
	size_t i;

	errno = 0;
	if (!pm->old_magic)
		fwrite(&common, sizeof(common), 1, f);
	fwrite(&magic, sizeof(magic), 1, f);
	head.pages_id = pm->pages_id;
	write_message(f, buf, pagemap_head__pack(&head, buf));
	for (i = 0; i < pm->map.nr && !ferror(f); i++) {
		const struct map_entry *from = &pm->map.v[i];
		PagemapEntry e = PAGEMAP_ENTRY__INIT;

		e.vaddr = from->start;
		e.nr_pages = (from->end - from->start) / PAGE_BYTES;
		e.has_flags = true;
		e.flags = from->flags;
		write_message(f, buf, pagemap_entry__pack(&e, buf));
	}
	if (ferror(f))
		return errno ? -errno : -EIO;
	return 0;
}

void pagemap_fini(struct pagemap *pm)
{
	page_map_fini(&pm->map);
	*pm = (struct pagemap){};
}
