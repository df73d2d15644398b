/*
 * What happens before Go: the warden and the reaping first process are plain C,
 * so that neither pays for a Go runtime (start-up time, threads, memory).
 */
#include "early.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * The warden waits for its launcher on standard input. A byte says that the
 * launcher has cleaned up. The end of the file says that it was killed: the
 * function returns, Go starts, and main collects the sandbox.
 */
void safe_run_warden(void)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGPIPE};
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "safe-run-warden");

	char byte;
	ssize_t n;
	do {
		n = read(STDIN_FILENO, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
}

/* glibc passes argc and argv to constructors, in static programs too. */
__attribute__((constructor)) static void early(int argc, char **argv)
{
	if (argc < 1 || argv == NULL || argv[0] == NULL)
		return;
	if (strcmp(argv[0], "safe-run-warden") == 0)
		safe_run_warden();
	if (strcmp(argv[0], "safe-run-exec-warden") == 0)
		safe_run_exec_warden();
	if (strcmp(argv[0], "safe-run-drain") == 0)
		safe_run_drain();
	if (strcmp(argv[0], "/.safe-run-init") == 0)
		_exit(safe_run_reaper(argc, argv));
}
