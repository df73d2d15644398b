/* The limits that the sandbox is known to have: what uses something up goes a
 * little beyond them, and never beyond bounds of its own. */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_number(const char *text, uint64_t *out, const char **rest)
{
	char *end;
	errno = 0;
	if (*text < '0' || *text > '9')
		return -1;
	*out = strtoull(text, &end, 10);
	*rest = end;
	return errno ? -1 : 0;
}

/* PATH:BYTES:INODES; the path may have colons. */
static int parse_tmpfs(const char *text)
{
	const char *rest, *inodes = strrchr(text, ':'), *bytes;
	if (!inodes || inodes == text)
		return -1;
	for (bytes = inodes - 1; bytes > text && *bytes != ':'; bytes--)
		;
	if (*bytes != ':' || bytes - text >= (ptrdiff_t)sizeof(settings.tmpfs) || *text != '/')
		return -1;
	snprintf(settings.tmpfs, sizeof(settings.tmpfs), "%.*s", (int)(bytes - text), text);
	if (parse_number(bytes + 1, &settings.tmpfs_bytes, &rest) || rest != inodes)
		return -1;
	return parse_number(inodes + 1, &settings.tmpfs_inodes, &rest) || *rest ? -1 : 0;
}

static int parse_one(const char *text)
{
	static const struct {
		const char *name;
		uint64_t *value;
	} known[] = {
		{ "memory=", &settings.memory }, { "pids=", &settings.pids },
		{ "nofile=", &settings.nofile }, { "cpu=", &settings.millicpu },
	};
	const char *rest;
	if (strncmp(text, "tmpfs=", 6) == 0)
		return parse_tmpfs(text + 6);
	for (size_t i = 0; i < COUNT(known); i++) {
		size_t n = strlen(known[i].name);
		if (strncmp(text, known[i].name, n) == 0)
			return parse_number(text + n, known[i].value, &rest) || *rest ? -1 : 0;
	}
	return -1;
}

int parse_limits(const char *text)
{
	char buf[2048], *save = NULL;
	if (*text == '@') {
		if (read_file(text + 1, buf, sizeof(buf)) < 0)
			return -1;
	} else if (snprintf(buf, sizeof(buf), "%s", text) >= (int)sizeof(buf)) {
		return -1;
	}
	for (char *one = strtok_r(buf, ",\n", &save); one; one = strtok_r(NULL, ",\n", &save))
		if (parse_one(one))
			return -1;
	return 0;
}
