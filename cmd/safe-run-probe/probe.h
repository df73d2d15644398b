/*
 * safe-run-probe attacks the sandbox that it runs in, and says of each attack
 * what came of it. Every attack is one that does no harm where nothing stops it:
 * its arguments cannot succeed, or what it makes is its own and is taken back,
 * or it writes what is there already. The table of them, with what makes each
 * harmless, is package spec/battery.
 *
 * A check runs in a child of its own, for a limited time: a kill is a result, a
 * timeout an error and never a success. What a child found is in shared memory,
 * so that it is there whatever became of the child.
 */
#ifndef SAFE_RUN_PROBE_H
#define SAFE_RUN_PROBE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* In the order of what decides a probe of several checks. */
enum verdict { NOT_RUN, ABSENT, BLOCKED, FAILED, ALLOWED };

struct outcome {
	int decided;
	enum verdict verdict;
	int err;    /* what the deciding call failed with */
	int sig;    /* what ended the child */
	int effect; /* the effect was looked for, and not only the error */
	int marker; /* the error is the one that the filter was told to give */
	long us;
	char detail[240];
};

struct check {
	const char *id;   /* M01: those of one probe follow each other */
	const char *part; /* of probes that have several checks */
	void (*run)(const struct check *);
	long arg;
	const char *path;
	int seconds; /* 0: the usual time */
};

/* One family of probes. */
struct family {
	const struct check *checks;
	size_t count;
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FAMILY(list) { list, COUNT(list) }

extern const struct family mounts, kernel, execs, abi, net, proc, devices, privileges, resources;
/* What comes after everything else: it may change or end the container. */
extern const struct family last;
void take_mask(const struct check *);

/* What the probe was told. A limit that is 0 is not known. */
struct settings {
	int marker;
	int burst;
	uint64_t memory, pids, nofile, tmpfs_bytes, tmpfs_inodes, millicpu;
	char tmpfs[256];
	char abstract[96]; /* a socket that the harness listens at, in the host's network */
	char outside[64];  /* ADDRESS:PORT of the host's, where the harness listens */
	int deep;          /* what is filled is the memory, once its own size is gone */
	char work[96]; /* a directory of our own; empty where nothing may be written */
};
extern struct settings settings;

/* judge.c: a check ends with one of these. */
void say_allowed(int effect, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_blocked(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_absent(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_not_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_failed(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The kernel that first has a call tells a filter's ENOSYS from the kernel's.
 * OPTIONAL calls are left out by some configurations: their ENOSYS is the
 * kernel's, unless a marker says otherwise. */
#define OPTIONAL 0
#define ALWAYS 1
#define SINCE(major, minor) ((major) * 1000 + (minor))

/* judge_real is for calls that can succeed: result below 0 with errno. Says 1
 * when it did succeed, and then has said nothing. */
int judge_real(long result, int since, const char *what);
/* judge_reach is for calls whose arguments cannot succeed: any error but a
 * refusal says that the call was let through. */
void judge_reach(long result, int since, const char *what);
int is_refusal(int err);
const char *errno_name(int err);
const char *signal_name(int sig);
int kernel_since(int since);

/* work.c: files and mounts. */
void make_work(void);
void clean_work(void);
void remove_work(void);
/* in_work gives the path of name in the directory of our own, or NULL after
 * having said not-run. */
const char *in_work(const char *name);
/* read_file reads at most size-1 bytes and ends them with 0; -1 with errno. */
ssize_t read_file(const char *path, char *buf, size_t size);
/* status_field copies what a line of /proc/self/status says. */
int status_field(const char *name, char *out, size_t size);
/* is_masked: the descriptor is of /dev/null over a file. */
int is_masked(int fd);
struct mount_line {
	char root[256], point[256], options[128], optional[128], type[32], super[256];
};
/* each_mount calls fn for every line of /proc/self/mountinfo until it says
 * other than 0; -1 where the file cannot be read. */
int each_mount(int (*fn)(const struct mount_line *, void *), void *arg);
/* A program of a few bytes that exits with 42. */
size_t tiny_program(unsigned char *out, size_t size);

/* child.c */
extern struct outcome *outcome; /* the running check's */
void run_check(const struct check *check, struct outcome *result);
/* in_child runs fn in a child and gives its wait status, -1 when there was none. */
int in_child(int (*fn)(void *), void *arg);
/* shared gives zeroed memory that children share, or NULL. */
void *shared(size_t size);

/* json.c */
struct text {
	size_t n;
	char data[65536];
};
void put(struct text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void put_string(struct text *, const char *);
int put_line(struct text *); /* writes it out and empties it; 0 when it was written */

/* privileges.c */
int gained(const char *before);

/* facts.c */
int put_facts(void);

/* limits.c */
int parse_limits(const char *text);

#endif
