/* What is run, in what order, and what is said of it. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define MAX_PARTS 24

/* Attacks that change nothing come first, those that use up something last. */
static const struct family *const families[] = {
	&mounts, &kernel, &execs, &abi, &net, &proc, &devices, &privileges, &resources, &last,
};

static const char *const verdicts[] = { "not-run", "absent", "blocked", "error", "allowed" };

static struct text out;

static void put_outcome(const struct outcome *o)
{
	put(&out, "\"verdict\":\"%s\"", verdicts[o->verdict]);
	if (o->err)
		put(&out, ",\"errno\":\"%s\"", errno_name(o->err));
	if (o->sig)
		put(&out, ",\"signal\":\"%s\"", signal_name(o->sig));
	if (o->marker)
		put(&out, ",\"marker\":true");
	if (o->effect)
		put(&out, ",\"effect\":true");
}

static void put_parts(const struct check *checks, const struct outcome *found, int n)
{
	put(&out, ",\"parts\":[");
	for (int i = 0; i < n; i++) {
		put(&out, "%s{\"name\":", i ? "," : "");
		put_string(&out, checks[i].part);
		put(&out, ",");
		put_outcome(&found[i]);
		put(&out, ",\"detail\":");
		put_string(&out, found[i].detail);
		put(&out, "}");
	}
	put(&out, "]");
}

/* report writes one probe's line: the worst of its checks, and each of them. */
static int report(const struct check *checks, const struct outcome *found, int n)
{
	int worst = 0;
	long us = 0;
	for (int i = 0; i < n; i++) {
		us += found[i].us;
		if (found[i].verdict > found[worst].verdict)
			worst = i;
	}
	put(&out, "{\"id\":\"%s\",", checks->id);
	put_outcome(&found[worst]);
	put(&out, ",\"detail\":");
	if (n == 1) {
		put_string(&out, found[0].detail);
	} else {
		char detail[400];
		snprintf(detail, sizeof(detail), "%s: %s", checks[worst].part, found[worst].detail);
		put_string(&out, detail);
		put_parts(checks, found, n);
	}
	put(&out, ",\"us\":%ld}", us);
	return put_line(&out);
}

/* named says whether id is in a list such as "M01,N04". */
static int named(const char *list, const char *id)
{
	size_t n = strlen(id);
	for (const char *at = list; (at = strstr(at, id)); at += n)
		if ((at == list || at[-1] == ',') && (at[n] == 0 || at[n] == ','))
			return 1;
	return 0;
}

/* probe_length is how many checks belong to the probe that begins at i. */
static size_t probe_length(const struct family *family, size_t i)
{
	size_t n = 1;
	while (i + n < family->count && strcmp(family->checks[i].id, family->checks[i + n].id) == 0)
		n++;
	return n;
}

static int run(const char *only, const char *skip)
{
	static struct outcome found[MAX_PARTS];
	int probes = 0;
	for (size_t f = 0; f < COUNT(families); f++) {
		size_t n;
		for (size_t i = 0; i < families[f]->count; i += n) {
			const struct check *checks = &families[f]->checks[i];
			n = probe_length(families[f], i);
			if (n > MAX_PARTS || (only && !named(only, checks->id)) || (skip && named(skip, checks->id)))
				continue;
			if (families[f] == &last || settings.deep) {
				/* Whoever reads must know what it was that ended the container. */
				put(&out, "{\"begin\":\"%s\"}", checks->id);
				if (put_line(&out))
					return 3;
			}
			for (size_t k = 0; k < n; k++)
				run_check(&checks[k], &found[k]);
			if (report(checks, found, (int)n))
				return 3;
			probes++;
		}
	}
	/* Without this line the run did not come to its end. */
	put(&out, "{\"end\":{\"probes\":%d}}", probes);
	return put_line(&out) ? 3 : 0;
}

static int list(void)
{
	size_t n, probes = 0;
	put(&out, "[");
	for (size_t f = 0; f < COUNT(families); f++)
		for (size_t i = 0; i < families[f]->count; i += n) {
			const struct check *checks = &families[f]->checks[i];
			n = probe_length(families[f], i);
			put(&out, "%s{\"id\":\"%s\",\"parts\":[", probes++ ? "," : "", checks->id);
			for (size_t k = 0; n > 1 && k < n; k++)
				put(&out, "%s\"%s\"", k ? "," : "", checks[k].part);
			put(&out, "]}");
		}
	put(&out, "]");
	return put_line(&out) ? 3 : 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: safe-run-probe list\n"
		"       safe-run-probe run [--only A,B] [--skip A,B] [--marker ERRNO] [--burst] [--deep]\n"
		"           [--limits memory=BYTES,pids=N,nofile=N,tmpfs=PATH:BYTES:INODES,cpu=THOUSANDTHS | @FILE]\n"
		"           [--abstract NAME] [--outside ADDRESS:PORT]\n"
		"One line of JSON for each probe, in a child of its own. It attacks the sandbox that it is\n"
		"started in, and is meant for no other place.\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *only = NULL, *skip = NULL;
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list();
	if (argc == 3 && strcmp(argv[1], "gained") == 0)
		return gained(argv[2]);
	if (argc < 2 || strcmp(argv[1], "run") != 0)
		return usage();
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--burst") == 0) {
			settings.burst = 1;
			continue;
		}
		if (strcmp(argv[i], "--deep") == 0) {
			settings.deep = 1;
			continue;
		}
		if (i + 1 >= argc)
			return usage();
		const char *name = argv[i], *value = argv[++i];
		if (strcmp(name, "--only") == 0)
			only = value;
		else if (strcmp(name, "--skip") == 0)
			skip = value;
		else if (strcmp(name, "--abstract") == 0 && strlen(value) < sizeof(settings.abstract) && *value)
			strcpy(settings.abstract, value);
		else if (strcmp(name, "--outside") == 0 && strlen(value) < sizeof(settings.outside) && strchr(value, ':'))
			strcpy(settings.outside, value);
		else if (strcmp(name, "--marker") == 0 && (settings.marker = atoi(value)) > 0)
			continue;
		else if (strcmp(name, "--limits") != 0 || parse_limits(value))
			return usage();
	}
	outcome = shared(sizeof(*outcome));
	if (!outcome) {
		fprintf(stderr, "safe-run-probe: no shared memory: %s\n", strerror(errno));
		return 3;
	}
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	make_work();
	int code = put_facts();
	if (code == 0)
		code = run(only, skip);
	remove_work();
	return code;
}
