/*
 * safe-run --version, answered before Go starts: that takes longer than a small
 * program. What it says is what the verb version says, from the same place: what
 * the linker wrote into .go.buildinfo (Go's debug/buildinfo, from 1.18 on).
 *
 * A version that is given to the build has to be given to both (see the Makefile).
 * Whenever something is not as expected nothing is written, and Go answers.
 */
#include "early.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#endif

#ifndef SAFE_RUN_VERSION
#define SAFE_RUN_VERSION ""
#endif

#ifdef ARCH

enum { ALIGN = 16, HEADER = 32, INLINE = 2, MARK = 16 };

struct text {
	const char *at;
	size_t size;
};

/* Go's linker and the reader agree on these bytes; split, so that they are not found here. */
static int begins(const unsigned char *p)
{
	return memcmp(p, "\xff Go ", 5) == 0 && memcmp(p + 5, "buildinf:", 9) == 0;
}

/* A length, seven bits a byte, and as many bytes. */
static int take(const unsigned char **p, const unsigned char *end, struct text *out)
{
	size_t size = 0;
	for (int shift = 0; *p < end && shift < 28; shift += 7) {
		unsigned char byte = *(*p)++;
		size |= (size_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (size > (size_t)(end - *p))
			return 0;
		*out = (struct text){(const char *)*p, size};
		*p += size;
		return 1;
	}
	return 0;
}

static int find(struct text *go, struct text *modules)
{
	const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	size_t n = getauxval(AT_PHNUM);
	uintptr_t base = 0;
	for (size_t i = 0; headers && i < n; i++)
		if (headers[i].p_type == PT_PHDR)
			base = (uintptr_t)headers - headers[i].p_vaddr;
	for (size_t i = 0; headers && i < n; i++) {
		if (headers[i].p_type != PT_LOAD || !(headers[i].p_flags & PF_W))
			continue;
		const unsigned char *p = (const unsigned char *)(base + headers[i].p_vaddr);
		const unsigned char *end = p + headers[i].p_filesz;
		p += -(uintptr_t)p & (ALIGN - 1);
		for (; p + HEADER < end; p += ALIGN) {
			if (!begins(p) || !(p[15] & INLINE))
				continue;
			p += HEADER;
			return take(&p, end, go) && take(&p, end, modules);
		}
	}
	return 0;
}

/* The field of a line, counted from 0; fields are separated by tabs. */
static struct text field(struct text line, int n)
{
	for (;; n--) {
		const char *tab = memchr(line.at, '\t', line.size);
		size_t size = tab ? (size_t)(tab - line.at) : line.size;
		if (n == 0)
			return (struct text){line.at, size};
		if (!tab)
			return (struct text){line.at, 0};
		line.at += size + 1;
		line.size -= size + 1;
	}
}

static int is(struct text t, const char *s)
{
	return t.size == strlen(s) && memcmp(t.at, s, t.size) == 0;
}

void safe_run_version(void)
{
	struct text go, modules, own = {"", 0}, runc = {"", 0}, commit = {"", 0};
	if (!find(&go, &modules) || modules.size < 2 * MARK)
		return;
	/* The list is between two marks, by which it can be found in memory. */
	modules.at += MARK;
	modules.size -= 2 * MARK;
	while (modules.size > 0) {
		const char *newline = memchr(modules.at, '\n', modules.size);
		struct text line = {modules.at, newline ? (size_t)(newline - modules.at) : modules.size};
		size_t used = line.size + (newline != NULL);
		modules.at += used;
		modules.size -= used;
		struct text kind = field(line, 0), name = field(line, 1);
		if (is(kind, "mod"))
			own = field(line, 2);
		else if (is(kind, "dep") && is(name, "github.com/opencontainers/runc"))
			runc = field(line, 2);
		else if (is(kind, "build") && name.size > 13 && memcmp(name.at, "vcs.revision=", 13) == 0)
			commit = (struct text){name.at + 13, name.size - 13};
	}
	if (SAFE_RUN_VERSION[0] != 0)
		own = (struct text){SAFE_RUN_VERSION, strlen(SAFE_RUN_VERSION)};
	else if (own.size == 0 || is(own, "(devel)"))
		own = (struct text){"development", strlen("development")};
	if (commit.size > 12)
		commit.size = 12;
	char out[512];
	int n = snprintf(out, sizeof(out), "safe-run %.*s (%.*s, linux/" ARCH "%s%.*s%s%.*s)\n",
	                 (int)own.size, own.at, (int)go.size, go.at,
	                 runc.size ? ", runc " : "", (int)runc.size, runc.at,
	                 commit.size ? ", commit " : "", (int)commit.size, commit.at);
	if (n > 0 && (size_t)n < sizeof(out) && write(STDOUT_FILENO, out, n) == n)
		_exit(0);
}

#else
void safe_run_version(void) {}
#endif
