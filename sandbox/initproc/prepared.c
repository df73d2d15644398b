/*
 * The first process of a sandbox that was prepared before anybody knew what is
 * to run in it. It has the container's confinement already and waits, as plain
 * C, until its launcher tells it a program; then it becomes that program. A
 * sandbox is told once.
 */
#define _GNU_SOURCE
#include "early.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is told: this, then the directory, the arguments and the environment,
 * each ended by a zero byte. */
struct order {
	uint32_t size; /* of what follows */
	uint32_t args, env;
};

#define ORDER_FD 3
#define MOST_ORDER (16U << 20)
#define MOST_TEXTS (1U << 20)

/* The next text, or NULL. */
static char *next(char **at, char *end)
{
	char *text = *at, *zero = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
	if (zero != NULL)
		*at = zero + 1;
	return zero != NULL ? text : NULL;
}

/* count texts, as execve(2) wants them. */
static char **list(uint32_t count, char **at, char *end)
{
	char **texts = count <= MOST_TEXTS ? calloc((size_t)count + 1, sizeof(*texts)) : NULL;
	for (uint32_t i = 0; texts != NULL && i < count; i++)
		if ((texts[i] = next(at, end)) == NULL)
			return NULL;
	return texts;
}

/* Says why the program does not run, and ends. */
static void fail(int error)
{
	int32_t told = error;
	ssize_t n = write(ORDER_FD, &told, sizeof(told));
	_exit(n == sizeof(told) && error == ENOENT ? 127 : 126);
}

/*
 * The socket closes by itself when the program is executed, which is how the
 * launcher knows that it was. When the launcher is gone, there is nothing to do.
 */
int safe_run_prepared(void)
{
	struct order order;
	fcntl(ORDER_FD, F_SETFD, FD_CLOEXEC);
	if (safe_run_read_whole(ORDER_FD, &order, sizeof(order)) != 0 || order.size > MOST_ORDER)
		return 125;
	char *data = malloc((size_t)order.size + 1), *end = data + order.size;
	if (data == NULL || safe_run_read_whole(ORDER_FD, data, order.size) != 0)
		return 125;
	char *at = data, *dir = next(&at, end);
	char **argv = dir ? list(order.args, &at, end) : NULL;
	char **envp = argv ? list(order.env, &at, end) : NULL;
	if (envp == NULL || order.args == 0)
		fail(EINVAL);
	if (chdir(dir) != 0)
		fail(errno);
	environ = envp; /* its PATH says where the program is */
	execvp(argv[0], argv);
	fail(errno);
	return 126;
}
