/*
 * What happens before Go: the warden and the reaping first process are plain C,
 * so that neither pays for a Go runtime (start-up time, threads, memory).
 */
#include "early.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int safe_run_settles;
int safe_run_idle;

/*
 * The time for which the network that sandboxes share is kept when none is left:
 * long enough for who starts one after the other, or one anew.
 */
static const struct timespec patience = {.tv_sec = 1};

/*
 * Says whether nobody has used the shared network since this was called, by the
 * file that is made when it falls idle (network.Idle).
 */
static int fallen_idle(const char *root)
{
	char path[4096];
	struct stat before, after;
	int n = snprintf(path, sizeof(path), "%s/network/idle", root);
	if (n < 0 || (size_t)n >= sizeof(path) || stat(path, &before) < 0)
		return 0;
	nanosleep(&patience, NULL);
	return stat(path, &after) == 0 && after.st_ino == before.st_ino &&
	       after.st_mtim.tv_sec == before.st_mtim.tv_sec && after.st_mtim.tv_nsec == before.st_mtim.tv_nsec;
}

/*
 * The warden waits for its launcher on standard input. A byte says that the
 * launcher has cleaned up. Sockets may come with it, which the kernel closes for
 * us, because read(2) takes none: that may take as long as a launch. The end of
 * the file says that the launcher was killed: the function returns, Go starts, and
 * main collects the sandbox. It starts as well when the byte says that the shared
 * network has fallen idle, and it still is a while later. Two more kinds of
 * byte come with what the launcher has left to remove: 4 is 3 and 2.
 */
void safe_run_warden(const char *root, const char *id)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGPIPE};
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "safe-run-warden");

	char byte = 0;
	ssize_t n;
	do {
		n = read(STDIN_FILENO, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1 && byte >= 3 && safe_run_tidy(id) != 0) {
		safe_run_idle = byte == 4;
		return;
	}
	if (n == 1) {
		safe_run_settles = (byte == 2 || byte == 4) && root != NULL && fallen_idle(root);
		if (!safe_run_settles)
			_exit(0);
	}
}

/* glibc passes argc and argv to constructors, in static programs too. */
__attribute__((constructor)) static void early(int argc, char **argv)
{
	if (argc < 1 || argv == NULL || argv[0] == NULL)
		return;
	if (strcmp(argv[0], "safe-run-warden") == 0)
		safe_run_warden(argc > 1 ? argv[1] : NULL, argc > 2 ? argv[2] : NULL);
	if (strcmp(argv[0], "safe-run-exec-warden") == 0)
		safe_run_exec_warden();
	if (strcmp(argv[0], "safe-run-drain") == 0)
		safe_run_drain();
	if (strcmp(argv[0], "/.safe-run-init") == 0)
		_exit(safe_run_reaper(argc, argv));
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		safe_run_version();
	if (strcmp(argv[0], "/.safe-run-prepared") == 0)
		_exit(safe_run_prepared());
	if (getenv("_LIBCONTAINER_INITPIPE") == NULL)
		safe_run_pool_client(argv);
}
