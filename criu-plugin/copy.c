// SPDX-License-Identifier: GPL-2.0-only
/* Copying between files: in the kernel, shared blocks where the file system can, holes kept. */
#include <errno.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "copy.h"

/* What one system call is asked for: a signal is noticed in between. */
#define CHUNK_BYTES (16ull << 20)

/* Whether it is worth looking for holes in this file. */
bool file_is_sparse(const struct stat *st)
{
	return (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size;
}

static bool other_way(int error)
{
	return error == EXDEV || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
}

/* Returns how much was copied, 0 at the end of @in, or -errno. */
static ssize_t copy_some(int in, uint64_t in_off, int out, uint64_t out_off, uint64_t len)
{
	loff_t from = in_off, to = out_off;
	ssize_t done = copy_file_range(in, &from, out, &to, len, 0);

	if (done >= 0 || !other_way(errno))
		return done < 0 ? -errno : done;
	/* Two file systems. */
	if (lseek(out, out_off, SEEK_SET) < 0)
		return -errno;
	done = sendfile(out, in, &from, len);
	return done < 0 ? -errno : done;
}

static int copy_dense(int in, uint64_t in_off, int out, uint64_t out_off, uint64_t len,
		      const volatile sig_atomic_t *stop)
{
	while (len) {
		ssize_t done;

		if (*stop)
			return -EINTR;
		done = copy_some(in, in_off, out, out_off, len < CHUNK_BYTES ? len : CHUNK_BYTES);
		if (done == -EINTR)
			continue;
		if (done <= 0)
			return done ? (int)done : -ENODATA;
		in_off += done;
		out_off += done;
		len -= done;
	}
	return 0;
}

/*
 * Copies @len bytes at @in_off of @in to @out_off of @out, which is a new file: with
 * @sparse, holes of @in are left out, and the caller sets the length of @out in the end.
 * The position of @out may change. Memory does not grow with @len.
 *
 * Returns 0; -ENODATA when @in ends before; -EINTR when *@stop is set; another -errno.
 */
int copy_data(int in, uint64_t in_off, int out, uint64_t out_off, uint64_t len, bool sparse,
	      const volatile sig_atomic_t *stop)
{
	uint64_t end = in_off + len;

	while (sparse && in_off < end) {
		off_t data = lseek(in, in_off, SEEK_DATA), hole;
		int ret;

		/* Nothing but holes up to the end of the file. */
		if (data < 0 && errno == ENXIO)
			return lseek(in, 0, SEEK_END) < (off_t)end ? -ENODATA : 0;
		if (data < 0)
			break;
		if ((uint64_t)data >= end)
			return 0;
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if ((uint64_t)hole > end)
			hole = end;
		ret = copy_dense(in, data, out, out_off + (data - in_off), hole - data, stop);
		if (ret)
			return ret;
		out_off += hole - in_off;
		in_off = hole;
	}
	return copy_dense(in, in_off, out, out_off, end - in_off, stop);
}
