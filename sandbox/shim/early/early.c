/*
 * What a shim does before Go. A container takes four executions of its program:
 * start, the service, the container's init and delete, and Go's runtime takes some
 * milliseconds for each. Two of them need none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the service's socket is to be, as the library wants it, and where the
 * process that waits is told that there is one. Both are taken before Go takes
 * numbers of its own. */
enum { SOCKET = 3, SAY = 4 };

int safe_run_shim_begun;

/*
 * start becomes the service: containerd waits for the process that it executed,
 * so that one waits here until the other says that it listens, or has failed.
 */
static void start(void)
{
	int pipe_[2], null, status;
	char byte;
	ssize_t n;

	if (pipe2(pipe_, O_CLOEXEC) != 0)
		return;
	pid_t pid = fork();
	if (pid < 0) {
		close(pipe_[0]);
		close(pipe_[1]);
		return;
	}
	if (pid == 0) {
		/* Containerd gives a shim nothing but its standard streams. */
		int say = fcntl(pipe_[1], F_DUPFD_CLOEXEC, 10);
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (say < 0 || null < 0 || setpgid(0, 0) != 0)
			_exit(1);
		close(pipe_[0]);
		close(pipe_[1]);
		if (dup3(say, SAY, O_CLOEXEC) != SAY)
			_exit(1);
		if (null != SOCKET && dup3(null, SOCKET, O_CLOEXEC) != SOCKET)
			_exit(1);
		if (null != SOCKET && null != SAY)
			close(null);
		close(say);
		safe_run_shim_begun = 1;
		return;
	}
	close(pipe_[1]);
	do {
		n = read(pipe_[0], &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			_exit(1);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/*
 * delete after a container that the service has removed answers what the service
 * wrote down for it: the path of its socket and what the bundle's config.json is
 * known by, each with its end, and the answer. An answer for a bundle that was there
 * before, and a socket that nobody answers at, are Go's to remove, and so is all else.
 */
static void delete_(const char *id)
{
	char path[512], text[1024], bundle[80], *end, *known;
	struct stat st;
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (strchr(id, '/') != NULL ||
	    snprintf(path, sizeof(path), "../%s/saferun/deleted", id) >= (int)sizeof(path))
		return;
	int f = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (f < 0)
		return;
	ssize_t n = read(f, text, sizeof(text));
	close(f);
	if (n <= 0 || n == sizeof(text) || (end = memchr(text, 0, n)) == NULL ||
	    end == text || (size_t)(end - text) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, text, end - text + 1);
	known = ++end;
	if ((end = memchr(known, 0, text + n - known)) == NULL ||
	    snprintf(path, sizeof(path), "../%s/config.json", id) >= (int)sizeof(path) ||
	    lstat(path, &st) != 0)
		return;
	snprintf(bundle, sizeof(bundle), "%llu %lld.%lld", (unsigned long long)st.st_ino,
		 (long long)st.st_mtim.tv_sec, (long long)st.st_mtim.tv_nsec);
	if (strcmp(known, bundle) != 0)
		return;
	if (lstat(to.sun_path, &st) == 0) {
		int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) != 0)
			return;
		close(s);
	}
	end++;
	n -= end - text;
	_exit(write(STDOUT_FILENO, end, n) == n ? 0 : 1);
}

/* glibc passes argc and argv to constructors, in static programs too. */
__attribute__((constructor)) static void early(int argc, char **argv)
{
	if (argc < 2 || argv == NULL || argv[argc - 1] == NULL)
		return;
	if (strcmp(argv[argc - 1], "start") == 0)
		start();
	if (strcmp(argv[argc - 1], "delete") != 0)
		return;
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "-id") == 0)
			delete_(argv[i + 1]);
}
