//go:build cgo && seccomp

/*
 * libseccomp that remembers. The linker leads the calls of libseccomp that make
 * a filter to the functions here (ld(1), --wrap), which hand them on. While
 * nothing is asked of them they do nothing else.
 *
 * Recording, they also write down what was asked, call by call: the question.
 * Answering, they compare each call with a question whose answer is known, and
 * leave the work undone. If the question was the same to its end, the program
 * that was made of it then is the answer. If it differs anywhere, libseccomp is
 * asked all that was left out, and everything goes its usual way.
 */
#include "answer.h"

#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is asked: one of these, and the conditions of a rule behind it. */
struct call {
	uint32_t what, a, b, conditions;
};

enum { INIT = 1, ARCH_ADD, ARCH_REMOVE, ATTRIBUTE, RULE };

_Static_assert(sizeof(struct call) % 8 == 0 && sizeof(struct scmp_arg_cmp) == 24, "a question has no holes");

/* One filter at a time; whoever begins one holds a lock of Go's, or is alone. */
static struct {
	enum { OFF, RECORDING, ANSWERING } mode;
	scmp_filter_ctx filter;
	unsigned char *question;
	size_t length, room; /* of the question */
	size_t at, rules;    /* compared so far; where the rules begin, 0 before */
	const void *program;
	size_t size;
	int answered;
} memory;

extern scmp_filter_ctx __real_seccomp_init(uint32_t);
extern void __real_seccomp_release(scmp_filter_ctx);
extern int __real_seccomp_reset(scmp_filter_ctx, uint32_t);
extern int __real_seccomp_merge(scmp_filter_ctx, scmp_filter_ctx);
extern int __real_seccomp_load(scmp_filter_ctx);
extern int __real_seccomp_arch_add(scmp_filter_ctx, uint32_t);
extern int __real_seccomp_arch_remove(scmp_filter_ctx, uint32_t);
extern int __real_seccomp_attr_set(scmp_filter_ctx, enum scmp_filter_attr, uint32_t);
extern int __real_seccomp_rule_add_array(scmp_filter_ctx, uint32_t, int, unsigned int, const struct scmp_arg_cmp *);
extern int __real_seccomp_rule_add_exact_array(scmp_filter_ctx, uint32_t, int, unsigned int, const struct scmp_arg_cmp *);
extern int __real_seccomp_export_pfc(const scmp_filter_ctx, int);
extern int __real_seccomp_export_bpf(const scmp_filter_ctx, int);

static void forget(void)
{
	memory.mode = OFF;
	memory.filter = NULL;
}

static void append(const void *data, size_t size)
{
	if (memory.length + size > memory.room) {
		size_t room = 2 * (memory.length + size);
		unsigned char *more = realloc(memory.question, room);
		if (more == NULL) {
			memory.length = 0;
			forget();
			return;
		}
		memory.question = more;
		memory.room = room;
	}
	memcpy(memory.question + memory.length, data, size);
	memory.length += size;
}

static int same(const void *data, size_t size)
{
	if (size > memory.length - memory.at || memcmp(memory.question + memory.at, data, size) != 0)
		return 0;
	memory.at += size;
	return 1;
}

/* Asks libseccomp the rules that were left out, and answers no more. */
static int settle(scmp_filter_ctx filter)
{
	if (memory.mode != ANSWERING || filter != memory.filter)
		return 0;
	int failed = 0;
	for (size_t at = memory.rules; at > 0 && at < memory.at && failed == 0;) {
		struct call c;
		memcpy(&c, memory.question + at, sizeof(c));
		at += sizeof(c);
		/* It lies as libseccomp's own array does: see the assertion. */
		failed = __real_seccomp_rule_add_array(filter, c.a, (int)c.b, c.conditions, (const void *)(memory.question + at));
		at += c.conditions * sizeof(struct scmp_arg_cmp);
	}
	forget();
	return failed;
}

/* A setting is always made. One that comes after rules is no question of ours. */
static int setting(scmp_filter_ctx filter, struct call c)
{
	if (memory.mode == OFF || filter != memory.filter)
		return 0;
	if (memory.mode == RECORDING)
		append(&c, sizeof(c));
	else if (memory.rules != 0 || !same(&c, sizeof(c)))
		return settle(filter);
	return 0;
}

/* The next filter that is made is the process's own, and last: it is the moment
 * to put the thread under what comes before a filter. */
static int confining;
extern int safe_run_confine(void); /* Go's */

void safe_run_filter_confine(void)
{
	confining = 1;
}

scmp_filter_ctx __wrap_seccomp_init(uint32_t action)
{
	if (confining) {
		confining = 0;
		if (safe_run_confine() != 0)
			return NULL;
	}
	scmp_filter_ctx filter = __real_seccomp_init(action);
	if (memory.mode != OFF && memory.filter == NULL && filter != NULL) {
		memory.filter = filter;
		if (setting(filter, (struct call){INIT, action, 0, 0}) != 0)
			forget();
	}
	return filter;
}

void __wrap_seccomp_release(scmp_filter_ctx filter)
{
	if (filter == memory.filter)
		forget();
	__real_seccomp_release(filter);
}

int __wrap_seccomp_arch_add(scmp_filter_ctx filter, uint32_t arch)
{
	int failed = setting(filter, (struct call){ARCH_ADD, arch, 0, 0});
	return failed ? failed : __real_seccomp_arch_add(filter, arch);
}

int __wrap_seccomp_arch_remove(scmp_filter_ctx filter, uint32_t arch)
{
	int failed = setting(filter, (struct call){ARCH_REMOVE, arch, 0, 0});
	return failed ? failed : __real_seccomp_arch_remove(filter, arch);
}

int __wrap_seccomp_attr_set(scmp_filter_ctx filter, enum scmp_filter_attr attribute, uint32_t value)
{
	int failed = setting(filter, (struct call){ATTRIBUTE, attribute, value, 0});
	return failed ? failed : __real_seccomp_attr_set(filter, attribute, value);
}

int __wrap_seccomp_rule_add_array(scmp_filter_ctx filter, uint32_t action, int number, unsigned int n, const struct scmp_arg_cmp *conditions)
{
	struct call c = {RULE, action, (uint32_t)number, n};
	if (memory.mode == ANSWERING && filter == memory.filter) {
		size_t before = memory.at;
		if (same(&c, sizeof(c)) && (n == 0 || same(conditions, n * sizeof(*conditions)))) {
			if (memory.rules == 0)
				memory.rules = before;
			return 0;
		}
		memory.at = before;
		int failed = settle(filter);
		if (failed)
			return failed;
	}
	int failed = __real_seccomp_rule_add_array(filter, action, number, n, conditions);
	if (memory.mode == RECORDING && filter == memory.filter && failed == 0) {
		append(&c, sizeof(c));
		if (n > 0 && memory.mode == RECORDING)
			append(conditions, n * sizeof(*conditions));
	}
	return failed;
}

static int write_all(int fd, const unsigned char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -ECANCELED;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int __wrap_seccomp_export_bpf(const scmp_filter_ctx filter, int fd)
{
	if (memory.mode == ANSWERING && filter == memory.filter && memory.at == memory.length) {
		memory.answered = 1;
		return write_all(fd, memory.program, memory.size);
	}
	int failed = settle(filter);
	return failed ? failed : __real_seccomp_export_bpf(filter, fd);
}

/* What else a filter can be used for needs all of its rules. */

int __wrap_seccomp_export_pfc(const scmp_filter_ctx filter, int fd)
{
	int failed = settle(filter);
	return failed ? failed : __real_seccomp_export_pfc(filter, fd);
}

int __wrap_seccomp_load(scmp_filter_ctx filter)
{
	int failed = settle(filter);
	return failed ? failed : __real_seccomp_load(filter);
}

int __wrap_seccomp_merge(scmp_filter_ctx into, scmp_filter_ctx from)
{
	int failed = settle(into);
	if (failed == 0)
		failed = settle(from);
	return failed ? failed : __real_seccomp_merge(into, from);
}

int __wrap_seccomp_reset(scmp_filter_ctx filter, uint32_t action)
{
	if (filter == memory.filter)
		forget();
	return __real_seccomp_reset(filter, action);
}

int __wrap_seccomp_rule_add_exact_array(scmp_filter_ctx filter, uint32_t action, int number, unsigned int n, const struct scmp_arg_cmp *conditions)
{
	int failed = settle(filter);
	return failed ? failed : __real_seccomp_rule_add_exact_array(filter, action, number, n, conditions);
}

/* The next filter's question is written down. */
void safe_run_filter_record(void)
{
	forget();
	memory.length = 0;
	memory.mode = RECORDING;
}

/* What was written down, until the next call of this file. */
size_t safe_run_filter_recorded(const void **question)
{
	forget();
	*question = memory.question;
	return memory.length;
}

/* The next filter is answered with a program, if it is asked for by this
 * question. Both stay where they are for as long as this process lives. */
void safe_run_filter_answer(const void *question, size_t length, const void *program, size_t size)
{
	forget();
	memory.length = 0;
	memory.answered = 0;
	append(question, length);
	memory.at = memory.rules = 0;
	memory.program = program;
	memory.size = size;
	if (memory.length == length && length > 0)
		memory.mode = ANSWERING;
}

/* Whether the last filter that was to be answered was. */
int safe_run_filter_answered(void)
{
	return memory.answered;
}
