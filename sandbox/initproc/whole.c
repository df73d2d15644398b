/* Messages of a known size, from a socket that gives them in parts. */
#include "early.h"

#include <errno.h>
#include <unistd.h>

/* safe_run_read_whole reads exactly size bytes; -1 when they do not come. */
int safe_run_read_whole(int fd, void *data, size_t size)
{
	for (char *at = data; size > 0;) {
		ssize_t n = read(fd, at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}
