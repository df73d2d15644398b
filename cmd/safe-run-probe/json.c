/* Lines of JSON. What a container may have chosen is escaped, byte by byte. */
#include "probe.h"

#include <stdarg.h>
#include <stdio.h>

void put(struct text *t, const char *format, ...)
{
	va_list args;
	size_t room = sizeof(t->data) - t->n;
	va_start(args, format);
	int n = vsnprintf(t->data + t->n, room, format, args);
	va_end(args);
	if (n > 0)
		t->n += (size_t)n < room ? (size_t)n : room - 1;
}

void put_string(struct text *t, const char *s)
{
	put(t, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			put(t, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			put(t, "\\u%04x", c);
		else
			put(t, "%c", c);
	}
	put(t, "\"");
}

int put_line(struct text *t)
{
	size_t done = 0;
	put(t, "\n");
	while (done < t->n) {
		ssize_t n = write(STDOUT_FILENO, t->data + done, t->n - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	t->n = 0;
	return 0;
}
