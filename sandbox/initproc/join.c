/*
 * What looks after a process that was started in a running container, beside
 * whoever started it. Both are plain C for the reason that the warden is.
 */
#define _GNU_SOURCE
#include "early.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#define SAFE_RUN_PROCESS_GROUP (1U << 2) /* PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9 */

/* The descriptor that came with a message; -1 when none did. */
static int descriptor(struct msghdr *message)
{
	int fd = -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/*
 * Standard input is a socket. The first message brings a pidfd of the process,
 * a message without one says that all is well. When the socket closes without
 * it, whoever started the process was killed: the process is killed, with its
 * process group where the kernel can.
 */
void safe_run_exec_warden(void)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGPIPE};
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "safe-run-warden");

	int pidfd = -1;
	for (;;) {
		char byte;
		union {
			char space[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec data = {&byte, 1};
		struct msghdr message = {
			.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(STDIN_FILENO, &message, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if ((pidfd = descriptor(&message)) < 0)
			_exit(0);
	}
	if (pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, SAFE_RUN_PROCESS_GROUP) < 0)
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	_exit(0);
}

/*
 * Standard input is the master of a terminal. What is written to it is thrown
 * away, so that a process that somebody has detached from does not block on
 * it, until nobody has the other side open.
 */
void safe_run_drain(void)
{
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "safe-run-drain");
	for (;;) {
		char bytes[4096];
		struct pollfd ready = {STDIN_FILENO, POLLIN, 0};
		if (poll(&ready, 1, -1) < 0)
			continue;
		ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			_exit(0);
	}
}
