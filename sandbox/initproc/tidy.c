/*
 * What a launcher leaves to its warden when its container has ended: nobody waits
 * for that. It is plain C for the reason that the warden is. Whatever does not
 * succeed is left to Go, which removes the sandbox as that of a launcher which
 * was killed.
 */
#define _GNU_SOURCE
#include "early.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define MOST_ORDERS (1U << 16)
#define MOST_DEPTH 8

static int missing(int result)
{
	return result == 0 || errno == ENOENT ? 0 : -1;
}

/* Removes a control group. The last process may just be leaving it. */
static int remove_group(const char *path)
{
	static const struct timespec pause = {.tv_nsec = 2000000};
	for (int tries = 0; tries < 200; tries++) {
		if (missing(rmdir(path)) == 0)
			return 0;
		if (errno != EBUSY && errno != EINTR)
			return -1;
		nanosleep(&pause, NULL);
	}
	return -1;
}

/* Says whether the file at path says id, and nothing else. */
static int says(const char *path, const char *id)
{
	char text[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text));
	close(fd);
	return n > 0 && (size_t)n == strlen(id) && memcmp(text, id, (size_t)n) == 0;
}

/* Gives a claim back, when it is still id's; those who remove claims take turns
 * (state.unclaim). */
static int give_back(char *path, const char *id)
{
	char *slash = strrchr(path, '/');
	if (slash == NULL)
		return -1;
	*slash = 0;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	if (dir < 0)
		return missing(-1);
	int err;
	while ((err = flock(dir, LOCK_EX)) < 0 && errno == EINTR)
		;
	if (err == 0 && says(path, id))
		err = missing(unlink(path));
	close(dir); /* and unlocks */
	return err;
}

/* Removes name in the directory at, with all that is in it. */
static int remove_tree(int at, const char *name, int depth)
{
	if (missing(unlinkat(at, name, 0)) == 0)
		return 0;
	if ((errno != EISDIR && errno != EPERM) || depth == 0)
		return -1;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	int err = 0;
	for (struct dirent *entry; err == 0 && (entry = readdir(dir)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = remove_tree(fd, entry->d_name, depth - 1);
	closedir(dir);
	return err == 0 ? missing(unlinkat(at, name, AT_REMOVEDIR)) : err;
}

/*
 * Reads what is to be removed, in its order, and removes it: texts ended by a zero
 * byte, of which the first character says what follows it. 0 when nothing of it is
 * left.
 */
int safe_run_tidy(const char *id)
{
	uint32_t size;
	if (id == NULL || safe_run_read_whole(STDIN_FILENO, &size, sizeof(size)) != 0 || size > MOST_ORDERS)
		return -1;
	char *text = calloc(1, (size_t)size + 1);
	if (text == NULL || safe_run_read_whole(STDIN_FILENO, text, size) != 0)
		return -1;
	for (char *at = text; at < text + size; at += strlen(at) + 1) {
		int err = -1;
		if (*at == 'g')
			err = remove_group(at + 1);
		else if (*at == 'c')
			err = give_back(at + 1, id);
		else if (*at == 't')
			err = remove_tree(AT_FDCWD, at + 1, MOST_DEPTH);
		if (err != 0)
			return -1;
	}
	return 0;
}
