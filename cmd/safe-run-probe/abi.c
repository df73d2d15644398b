/* A: the ways into the kernel beside the usual one, and arguments that a filter
 * and the kernel may read differently. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

/* The kernel takes the low half of an int; a filter that compares all 64 bits
 * sees another number. */
#define HIGH (1L << 32)

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

#if defined(__x86_64__)

static long int80(long nr, long first, long second)
{
	long result;
	__asm__ volatile("int $0x80"
		: "=a"(result)
		: "a"(nr), "b"(first), "c"(second)
		: "r8", "r9", "r10", "r11", "memory");
	return result;
}

/* Without the 32-bit way int 0x80 is a fault. */
static void no_way(int sig)
{
	(void)sig;
	say_absent(0, "int 0x80 faults: this kernel has no 32-bit system calls");
	_exit(0);
}

/* A01: getpid is 20 there. */
static void other_getpid(const struct check *c)
{
	(void)c;
	signal(SIGSEGV, no_way);
	long result = int80(20, 0, 0);
	if (result == getpid())
		say_allowed(1, "int 0x80 gave this process's number");
	else if (result < 0 && result > -4096 && (is_refusal((int)-result) || result == -ENOSYS))
		say_blocked((int)-result, "int 0x80");
	else
		say_absent(0, "int 0x80 gave %ld: it is not taken as a 32-bit call", result);
	outcome->effect = 1;
}

static int is_socket_of(long fd, int family)
{
	int domain = -1;
	socklen_t n = sizeof(domain);
	return fd >= 0 && getsockopt((int)fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == family;
}

/* A02: socketcall has its arguments in memory, where no filter can look. */
static void socketcall(const struct check *c)
{
	(void)c;
	uint32_t *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (args == MAP_FAILED) {
		say_failed(errno, "memory that 32 bits reach");
		return;
	}
	args[0] = AF_VSOCK;
	args[1] = SOCK_STREAM;
	signal(SIGSEGV, no_way);
	long fd = int80(102, 1 /* SYS_SOCKET */, (long)args);
	if (is_socket_of(fd, AF_VSOCK))
		say_allowed(1, "a socket of AF_VSOCK by int 0x80");
	else if (fd == -EAFNOSUPPORT)
		say_absent(EAFNOSUPPORT, "the call was let through; the kernel has no AF_VSOCK");
	else if (fd < 0 && fd > -4096 && (is_refusal((int)-fd) || fd == -ENOSYS))
		say_blocked((int)-fd, "int 0x80");
	else
		say_absent(0, "int 0x80 gave %ld: it is not taken as a 32-bit call", fd);
	outcome->effect = 1;
}

/* A03: the same entry, another table. */
static void x32(const struct check *c)
{
	(void)c;
	long result = syscall(0x40000000L | SYS_getpid);
	if (result == getpid())
		say_allowed(1, "the x32 call gave this process's number");
	else if (result < 0 && errno == ENOSYS)
		say_absent(errno, "x32: this kernel has none, or a filter says the same");
	else if (judge_real(result, OPTIONAL, "x32"))
		say_failed(0, "the x32 call gave %ld", result);
	outcome->effect = 1;
}

#else

static void not_here(const struct check *c)
{
	(void)c;
	say_absent(0, "not on this architecture");
}
#define other_getpid not_here
#define socketcall not_here
#define x32 not_here

static int is_socket_of(long fd, int family)
{
	int domain = -1;
	socklen_t n = sizeof(domain);
	return fd >= 0 && getsockopt((int)fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == family;
}

#endif

/* A04. What is tried is in the table; each must fail as its plain form does. */
static void high_family(const struct check *c)
{
	(void)c;
	long fd = syscall(SYS_socket, HIGH | AF_VSOCK, SOCK_STREAM, 0);
	if (is_socket_of(fd, AF_VSOCK))
		say_allowed(1, "a socket of AF_VSOCK, asked for with high bits");
	else if (fd < 0 && errno == EAFNOSUPPORT)
		say_absent(errno, "AF_VSOCK");
	else if (judge_real(fd, ALWAYS, "socket"))
		say_failed(0, "a socket of another family");
}

static void high_type(const struct check *c)
{
	int type = 0;
	socklen_t n = sizeof(type);
	(void)c;
	long fd = syscall(SYS_socket, AF_INET, HIGH | SOCK_RAW, HIGH | 1);
	if (fd >= 0 && getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_RAW)
		say_allowed(1, "a raw socket, asked for with high bits");
	else if (fd < 0 && (errno == EAFNOSUPPORT || errno == ESOCKTNOSUPPORT || errno == EPROTONOSUPPORT))
		say_blocked(errno, "a raw socket of AF_INET, which every kernel has");
	else if (judge_real(fd, ALWAYS, "socket"))
		say_failed(0, "a socket of type %d", type);
}

static void high_pair(const struct check *c)
{
	int pair[2];
	(void)c;
	long result = syscall(SYS_socketpair, HIGH | AF_VSOCK, SOCK_STREAM, 0, pair);
	if (result < 0 && (errno == EAFNOSUPPORT || errno == EOPNOTSUPP))
		say_absent(errno, "AF_VSOCK has no pairs here");
	else if (judge_real(result, ALWAYS, "socketpair"))
		say_allowed(is_socket_of(pair[0], AF_VSOCK), "a pair of AF_VSOCK");
}

static void high_personality(const struct check *c)
{
	(void)c;
	if (!judge_real(syscall(SYS_personality, HIGH | 0x0040000), ALWAYS, "personality"))
		return;
	long now = syscall(SYS_personality, 0xffffffffL);
	say_allowed(now >= 0 && (now & 0x0040000), "address randomisation is off for this child");
}

/* PR_SET_IO_FLUSHER needs a privilege; PR_GET_IO_FLUSHER (58) as well, and
 * changes nothing. PR_MCE_KILL_GET (34) needs none. */
static void high_prctl(const struct check *c)
{
	(void)c;
	long result = syscall(SYS_prctl, HIGH | 34, 0, 0, 0, 0);
	if (judge_real(result, ALWAYS, "prctl"))
		say_allowed(result <= 2, "PR_MCE_KILL_GET said %ld", result);
}

/* The mode of chmod is an unsigned short to the kernel. */
static void high_mode(const struct check *c)
{
	(void)c;
	const char *path = in_work("high");
	int fd = path ? open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600) : -1;
	if (fd < 0) {
		if (path)
			say_failed(errno, "a file of our own");
		return;
	}
	/* The sticky bit of a file does nothing; the setuid bit is what counts. */
	long result = syscall(SYS_fchmod, fd, HIGH | 04700);
	if (judge_real(result, ALWAYS, "fchmod"))
		say_allowed(1, "the setuid bit was set");
	close(fd);
	unlink(path);
}

/* A05: numbers that no kernel of today has. Programs fall back on ENOSYS and
 * on nothing else. */
static void unknown_number(const struct check *c)
{
	long result = syscall(c->arg, 0, 0, 0, 0, 0, 0);
	if (result < 0 && errno == ENOSYS)
		say_absent(errno, "call %ld does not exist", c->arg);
	else if (result < 0 && settings.marker && errno == settings.marker)
		say_blocked(errno, "call %ld", c->arg);
	else if (result < 0 && is_refusal(errno))
		say_failed(errno, "call %ld must fail with ENOSYS, on which C libraries fall back", c->arg);
	else
		say_absent(result < 0 ? errno : 0, "this kernel has call %ld", c->arg);
}

/* What a child with a terminal of its own found. */
struct injection {
	long request;
	int stage, err, seen;
};

/* inject pushes a letter into a terminal that this child made. */
static int inject(void *arg)
{
	struct injection *in = arg;
	int unlocked = 0, waiting = 0;
	char letter = 'x';
	int pty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	in->stage = 1;
	if (pty < 0 || ioctl(pty, TIOCSPTLCK, &unlocked)) {
		in->err = errno;
		return 0;
	}
	int tty = ioctl(pty, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (tty < 0) {
		in->err = errno;
		return 0;
	}
	in->stage = 2;
	if (setsid() < 0 || ioctl(tty, TIOCSCTTY, 0)) {
		in->err = errno;
		return 0;
	}
	in->stage = 3;
	struct termios raw;
	if (ioctl(tty, TCGETS, &raw) == 0) {
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		ioctl(tty, TCSETS, &raw);
	}
	if (syscall(SYS_ioctl, tty, in->request, &letter) < 0)
		in->err = errno;
	for (int i = 0; i < 50 && !waiting && !in->err; i++) {
		ioctl(tty, FIONREAD, &waiting);
		usleep(1000);
	}
	in->seen = waiting > 0;
	return 0;
}

/* A06, A04. */
static void injection(const struct check *c)
{
	struct injection *in = shared(sizeof(*in));
	if (!in) {
		say_failed(errno, "no shared memory");
		return;
	}
	in->request = c->arg;
	int status = in_child(inject, in);
	errno = in->err;
	if (status == -1)
		say_failed(errno, "no child");
	else if (WIFSIGNALED(status)) {
		say_blocked(0, "the call ended the process");
		outcome->sig = WTERMSIG(status);
	} else if (in->stage == 1 && (errno == ENOENT || errno == ENXIO || errno == ENODEV || errno == ENOSPC))
		say_not_run("there are no terminals: %s", errno_name(errno));
	else if (in->stage < 3)
		say_failed(errno, "a terminal of our own (step %d)", in->stage);
	else if (errno == EIO)
		say_blocked(errno, "dev.tty.legacy_tiocsti is 0");
	else if (judge_real(errno ? -1 : 0, ALWAYS, "TIOCSTI")) {
		if (in->seen)
			say_allowed(1, "a letter was typed into a terminal");
		else
			say_failed(0, "the call succeeded, and no letter came");
	}
}

static void console(const struct check *c)
{
	static const char *const consoles[] = { "/dev/tty0", "/dev/tty1", "/dev/console" };
	int fd = -1;
	for (size_t i = 0; i < COUNT(consoles) && fd < 0; i++)
		fd = open(consoles[i], O_RDWR | O_NOCTTY | O_CLOEXEC);
	errno = 0;
	long result = syscall(SYS_ioctl, fd, c->arg, NULL);
	/* The call was let through, and there is nothing that it could be of. */
	if (result < 0 && fd < 0 && errno == EBADF)
		say_blocked(ENOENT, "TIOCLINUX is let through, and there is no console");
	else if (result < 0 && errno == ENOTTY)
		say_blocked(ENOENT, "TIOCLINUX is let through, and what is there is no virtual console");
	else
		judge_reach(result, ALWAYS, "TIOCLINUX of a console");
	if (fd >= 0)
		close(fd);
}

static const struct check list[] = {
	{ "A01", "", other_getpid, 0, NULL, 0 },
	{ "A02", "", socketcall, 0, NULL, 0 },
	{ "A03", "", x32, 0, NULL, 0 },
	{ "A04", "socket family", high_family, 0, NULL, 0 },
	{ "A04", "socket type", high_type, 0, NULL, 0 },
	{ "A04", "socketpair family", high_pair, 0, NULL, 0 },
	{ "A04", "personality", high_personality, 0, NULL, 0 },
	{ "A04", "prctl operation", high_prctl, 0, NULL, 0 },
	{ "A04", "fchmod mode", high_mode, 0, NULL, 0 },
	{ "A04", "ioctl TIOCSTI", injection, HIGH | TIOCSTI, NULL, 0 },
	{ "A04", "ioctl TIOCLINUX", console, HIGH | TIOCLINUX, NULL, 0 },
	{ "A05", "470", unknown_number, 470, NULL, 0 },
	{ "A05", "1000", unknown_number, 1000, NULL, 0 },
	{ "A06", "plain", injection, TIOCSTI, NULL, 0 },
	{ "A06", "high bits", injection, HIGH | TIOCSTI, NULL, 0 },
	{ "A07", "plain", console, TIOCLINUX, NULL, 0 },
	{ "A07", "high bits", console, HIGH | TIOCLINUX, NULL, 0 },
};

const struct family abi = FAMILY(list);
