/*
 * `safe-run run --pool=NAME ...`: plain C, because starting a Go runtime takes
 * longer than a prepared sandbox takes to run its program. It understands
 * nothing of the command line: the pool's process does, and says what to print.
 * It copies between the caller's streams and the container's, which are pipes.
 */
#define _GNU_SOURCE
#include "early.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define POOLS "/run/safe-run/pools/"
#define LAUNCHER_FAILED 125
#define MOST_TEXT (1U << 20)
#define LINGER 1000 /* milliseconds */

/* What the pool says: 'S' with the container's streams (output, errors and,
 * when they are asked for, input), 'T' with text for standard error, 'E' with
 * the exit code. */
struct frame {
	uint8_t kind, pad[3];
	uint32_t value; /* T: bytes that follow; E: the exit code */
};

/* One direction of copying. A negative descriptor is closed. */
struct copy {
	int from, to;
	size_t at, size; /* of data that is read and not yet written */
	int error;       /* why it could not all be written */
	char data[65536];
};

static struct copy in = {-1, STDIN_FILENO, 0, 0, 0, {0}}, out[2];
static int sock = -1, code = -1;
static char *words; /* said at the end, after what the container wrote */
static size_t words_size;
static struct timespec ended;

static int send_all(const void *data, size_t size)
{
	for (const char *at = data; size > 0;) {
		ssize_t n = send(sock, at, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Sends arguments and environment, each ended by a zero byte. */
static int ask(char **argv)
{
	uint32_t head[3] = {0, 0, 0};
	for (char **a = argv; *a != NULL; a++, head[1]++)
		head[0] += (uint32_t)strlen(*a) + 1;
	for (char **e = environ; *e != NULL; e++, head[2]++)
		head[0] += (uint32_t)strlen(*e) + 1;
	char *all = malloc(sizeof(head) + head[0]), *at = all + sizeof(head);
	if (all == NULL)
		return -1;
	memcpy(all, head, sizeof(head));
	for (char **a = argv; *a != NULL; a++)
		at = stpcpy(at, *a) + 1;
	for (char **e = environ; *e != NULL; e++)
		at = stpcpy(at, *e) + 1;
	int err = send_all(all, (size_t)(at - all));
	free(all);
	return err;
}

/* Takes the container's streams out of a message. */
static void streams(struct msghdr *message)
{
	int fds[3] = {-1, -1, -1};
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len <= CMSG_LEN(sizeof(fds)))
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	for (int i = 0; i < 2; i++) {
		out[i].from = fds[i];
		out[i].to = STDOUT_FILENO + i;
	}
	in.from = STDIN_FILENO;
	in.to = fds[2];
	if (in.to < 0)
		in.from = -1;
	else
		fcntl(in.to, F_SETFL, O_NONBLOCK);
}

/* One frame; -1 when the pool is gone. */
static int receive(void)
{
	struct frame frame;
	union {
		char space[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec data = {&frame, sizeof(frame)};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0 || safe_run_read_whole(sock, (char *)&frame + n, sizeof(frame) - (size_t)n) != 0)
		return -1;
	if (frame.kind == 'S')
		streams(&message);
	if (frame.kind == 'E') {
		code = (int)frame.value;
		clock_gettime(CLOCK_MONOTONIC, &ended);
	}
	if (frame.kind != 'T' || frame.value > MOST_TEXT)
		return 0;
	words = malloc(frame.value);
	if (words == NULL || safe_run_read_whole(sock, words, frame.value) != 0)
		return -1;
	words_size = frame.value;
	return 0;
}

static void end_copy(struct copy *c, int *end)
{
	if (*end > STDERR_FILENO)
		close(*end);
	*end = -1;
	c->size = 0;
}

/* Passes on what the container writes. A reader that went away does not hold it
 * up: the rest is read and lost. */
static void pass_out(struct copy *c)
{
	ssize_t n = read(c->from, c->data, sizeof(c->data));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		end_copy(c, &c->from);
		return;
	}
	for (ssize_t at = 0; at < n && c->to >= 0;) {
		ssize_t w = write(c->to, c->data + at, (size_t)(n - at));
		if (w < 0 && errno == EAGAIN)
			poll(&(struct pollfd){c->to, POLLOUT, 0}, 1, -1);
		else if (w < 0 && errno != EINTR) {
			c->error = errno == EPIPE ? 0 : errno;
			c->to = -1;
		} else if (w > 0)
			at += w;
	}
}

static void read_in(void)
{
	ssize_t n = read(in.from, in.data, sizeof(in.data));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		in.from = -1;
		end_copy(&in, &in.to);
		return;
	}
	in.at = 0;
	in.size = (size_t)n;
}

static void write_in(void)
{
	ssize_t n = write(in.to, in.data + in.at, in.size);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		in.from = -1;
		end_copy(&in, &in.to);
		return;
	}
	in.at += (size_t)n;
	in.size -= (size_t)n;
}

/* Passes a signal on; -1 when it has come too late for that, and means the caller. */
static int pass_signal(int from)
{
	struct signalfd_siginfo info;
	if (read(from, &info, sizeof(info)) != sizeof(info))
		return 0;
	uint8_t number = (uint8_t)info.ssi_signo;
	if (code >= 0)
		return -1;
	send_all(&number, 1); /* a pool that is gone shows by its silence */
	return 0;
}

static int open_signals(void)
{
	static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
		struct sigaction before;
		sigaction(passed[i], NULL, &before);
		if (before.sa_handler != SIG_IGN) /* nohup(1) */
			sigaddset(&set, passed[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int finish(void)
{
	for (int i = 0; i < 2; i++) {
		if (out[i].error != 0) {
			dprintf(STDERR_FILENO, "safe-run: what the container wrote could not be passed on: %s\n"
				"hint: its output is incomplete: make room, or write it elsewhere, and run it again\n", strerror(out[i].error));
			return code != 0 ? code : LAUNCHER_FAILED;
		}
	}
	for (size_t at = 0; at < words_size;) {
		ssize_t n = write(STDERR_FILENO, words + at, words_size - at);
		if (n < 0 && errno != EINTR)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	return code;
}

/* Milliseconds since then. */
static long since(const struct timespec *then)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
}

static int stay(int signals)
{
	while (code < 0 || out[0].from >= 0 || out[1].from >= 0) {
		/* All of it has ended. Who else has its pipes says nothing in its name. */
		if (code >= 0 && since(&ended) > LINGER)
			break;
		struct pollfd fds[] = {
			{code < 0 ? sock : -1, POLLIN, 0}, {signals, POLLIN, 0}, {out[0].from, POLLIN, 0}, {out[1].from, POLLIN, 0},
			{in.size == 0 ? in.from : -1, POLLIN, 0}, {in.size > 0 ? in.to : -1, POLLOUT, 0},
		};
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), code < 0 ? -1 : 100) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (fds[2 + i].revents != 0)
				pass_out(&out[i]);
		if (fds[1].revents != 0 && pass_signal(signals) != 0)
			break;
		if (fds[4].revents != 0)
			read_in();
		if (fds[5].revents != 0)
			write_in();
		if (fds[0].revents != 0 && receive() != 0) {
			dprintf(STDERR_FILENO, "safe-run: the pool has ended, and what ran in it too\n"
				"hint: start it again: safe-run pool\n");
			return LAUNCHER_FAILED;
		}
	}
	return finish();
}

/* The name in --pool=NAME or --pool NAME, which come first after run; what
 * follows is in rest. NULL when it stands elsewhere. */
static const char *pool_name(char **argv, char ***rest)
{
	char **a = argv + 1;
	if (*a != NULL && strcmp(*a, "run") == 0)
		a++;
	if (*a != NULL && strncmp(*a, "--pool=", 7) == 0) {
		*rest = a + 1;
		return *a + 7;
	}
	if (*a != NULL && a[1] != NULL && strcmp(*a, "--pool") == 0) {
		*rest = a + 2;
		return a[1];
	}
	return NULL;
}

/*
 * Runs the rest of the command line in a sandbox of the pool, and ends with its
 * exit code. It returns when this is no such command line or there is no such
 * pool, for Go to say so.
 */
void safe_run_pool_client(char **argv)
{
	char **rest;
	const char *name = pool_name(argv, &rest);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (name == NULL || *name == 0 || *name == '.' || strchr(name, '/') != NULL ||
	    snprintf(address.sun_path, sizeof(address.sun_path), POOLS "%s", name) >= (int)sizeof(address.sun_path))
		return;
	/* Go would do the same: no descriptor of ours is to be taken for a stream. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)) != 0) {
		if (sock >= 0)
			close(sock);
		return;
	}
	out[0].from = out[1].from = -1;
	int signals = open_signals();
	if (signals < 0 || ask(rest) != 0)
		_exit(LAUNCHER_FAILED);
	_exit(stay(signals));
}
