/* N: address families, and what can be reached. */
#include "probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A socket's three numbers in one: family, type, protocol. */
#define SOCKET(family, type, protocol) ((long)(family) << 32 | (long)(type) << 16 | (protocol))

static int ask(long numbers)
{
	return socket((int)(numbers >> 32), (int)(numbers >> 16 & 0xffff) | SOCK_CLOEXEC, (int)(numbers & 0xffff));
}

static int no_such(int err)
{
	return err == EAFNOSUPPORT || err == EPROTONOSUPPORT || err == ESOCKTNOSUPPORT;
}

/* known says whether the kernel shows the family, so that a filter which answers
 * as a kernel without it would is told from one. */
static int known(const char *protocol)
{
	static char buf[16384];
	char line[40];
	if (!protocol || read_file("/proc/net/protocols", buf, sizeof(buf)) < 0)
		return 0;
	snprintf(line, sizeof(line), "\n%s ", protocol);
	return strstr(buf, line) != NULL;
}

/* path is the family's line in /proc/net/protocols, where it has one; "*" says
 * that there is no kernel without it. */
static void open_socket(const struct check *c)
{
	int fd = ask(c->arg);
	const char *what = "socket";
	if (fd < 0 && no_such(errno) && !(settings.marker && errno == settings.marker)) {
		int err = errno;
		if (c->path && (strcmp(c->path, "*") == 0 || known(c->path)))
			say_blocked(err, "%s: this kernel has it, a filter answers", what);
		else
			say_absent(err, "%s: the kernel has none, or a filter says the same", what);
		return;
	}
	if (!judge_real(fd, ALWAYS, what))
		return;
	close(fd);
	say_allowed(1, "%s: a socket was made", what);
}

/* internet makes a socket of the internet, or says why there is none. */
static int internet(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		return fd;
	if (no_such(errno) && family == AF_INET6 && !known("TCPv6"))
		say_absent(errno, "no IPv6");
	else if (no_such(errno))
		say_blocked(errno, "no socket: this kernel has the family, a filter answers");
	else
		judge_real(fd, ALWAYS, "no socket");
	return -1;
}

/* N11: nobody listens, and the port is free again at once. */
static void low_port(const struct check *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = internet(AF_INET, SOCK_STREAM);
	(void)c;
	if (fd < 0)
		return;
	int result = bind(fd, (struct sockaddr *)&to, sizeof(to));
	if (result < 0 && errno == EADDRNOTAVAIL) { /* the loopback interface is down */
		to.sin_addr.s_addr = htonl(INADDR_ANY);
		result = bind(fd, (struct sockaddr *)&to, sizeof(to));
	}
	if (result < 0 && errno == EADDRINUSE)
		say_allowed(1, "port 80 is taken, not refused");
	else if (judge_real(result, ALWAYS, "port 80"))
		say_allowed(1, "bound to port 80");
	close(fd);
}

static void judge_route(int result, const char *what)
{
	int err = errno;
	if (result < 0 && (err == ENETUNREACH || err == EHOSTUNREACH || err == EADDRNOTAVAIL || err == ENETDOWN))
		say_blocked(err, "no route to %s", what);
	else if (judge_real(result, ALWAYS, what))
		say_allowed(1, "there is a route to %s", what);
}

/* N12: connect(2) of a datagram socket looks up a route and sends nothing. */
static void metadata(const struct check *c)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
	int fd = internet((int)c->arg, SOCK_DGRAM);
	if (fd < 0)
		return;
	if (c->arg == AF_INET) {
		inet_pton(AF_INET, c->path, &v4.sin_addr);
		judge_route(connect(fd, (struct sockaddr *)&v4, sizeof(v4)), c->path);
	} else {
		inet_pton(AF_INET6, c->path, &v6.sin6_addr);
		judge_route(connect(fd, (struct sockaddr *)&v6, sizeof(v6)), c->path);
	}
	close(fd);
}

/* reach_abstract connects to the abstract socket that the harness listens at in
 * the host's network. Nobody else's is ever connected to: without a name, those
 * that are seen count as reached. */
static int reach_abstract(int *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t n = strlen(settings.abstract);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!n || fd < 0)
		return 1;
	memcpy(at.sun_path + 1, settings.abstract, n);
	long result = connect(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n));
	*err = result < 0 ? errno : 0;
	close(fd);
	return result == 0 || !is_refusal(*err);
}

/* N13: we have no socket, so that each with a name is somebody else's. */
static void others_sockets(const struct check *c)
{
	static char buf[65536];
	int named = 0;
	char *first = NULL, *save = NULL;
	(void)c;
	if (read_file("/proc/net/unix", buf, sizeof(buf)) < 0) {
		if (errno == ENOENT)
			say_absent(errno, "/proc/net/unix");
		else
			judge_real(-1, ALWAYS, "/proc/net/unix");
		return;
	}
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int used = 0;
		if (sscanf(line, "%*x: %*x %*x %*x %*x %*x %*u %n", &used) < 0 || !used || !line[used])
			continue;
		named++;
		if (!first || strstr(line, "shim") || strstr(line, "containerd"))
			first = line + used;
	}
	int err = 0;
	if (named && !reach_abstract(&err))
		say_blocked(err, "%d sockets of others are seen, and none is reached", named);
	else if (named)
		say_allowed(1, "%d sockets of others, such as %.100s", named, first);
	else
		say_blocked(0, "no socket of others");
	outcome->effect = 1;
}

static void forwarding(const struct check *c)
{
	int fd = open(c->path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		say_absent(errno, "%s", c->path);
	else if (judge_real(fd, ALWAYS, c->path))
		say_allowed(1, "%s was opened for writing", c->path);
}

static void needs_harness(const struct check *c)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	char address[sizeof(settings.outside)];
	(void)c;
	if (!settings.outside[0]) {
		say_not_run("needs a server outside: --outside");
		return;
	}
	snprintf(address, sizeof(address), "%.*s", (int)strcspn(settings.outside, ":"), settings.outside);
	at.sin_port = htons((uint16_t)atoi(strchr(settings.outside, ':') + 1));
	if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
		say_failed(EINVAL, "%s is no address", address);
		return;
	}
	int fd = internet(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	/* What is dropped on the way is not refused: it does not come to its end. */
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int err = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 ? 0 : errno;
	socklen_t size = sizeof(err);
	if (err == EINPROGRESS && poll(&wait, 1, 1500) != 1)
		err = ETIMEDOUT;
	else if (err == EINPROGRESS)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size);
	close(fd);
	if (err == 0)
		say_allowed(1, "a server of the host's was reached");
	else if (is_refusal(err) || err == ETIMEDOUT || err == ENETUNREACH || err == EHOSTUNREACH || err == ECONNREFUSED)
		say_blocked(err, "a server of the host's was not reached");
	else
		say_failed(err, "connect");
	outcome->effect = 1;
}

static const struct check list[] = {
	{ "N01", "", open_socket, SOCKET(38, SOCK_SEQPACKET, 0), "ALG", 0 },
	{ "N02", "", open_socket, SOCKET(40, SOCK_STREAM, 0), "AF_VSOCK", 0 },
	{ "N03", "AF_RXRPC", open_socket, SOCKET(33, SOCK_DGRAM, AF_INET), "RXRPC", 0 },
	{ "N03", "AF_RDS", open_socket, SOCKET(21, SOCK_SEQPACKET, 0), "RDS", 0 },
	{ "N04", "AF_KEY", open_socket, SOCKET(15, SOCK_RAW, 2), "KEY", 0 },
	{ "N04", "AF_TIPC", open_socket, SOCKET(30, SOCK_SEQPACKET, 0), "TIPC", 0 },
	{ "N04", "AF_CAN", open_socket, SOCKET(29, SOCK_RAW, 1), "CAN_RAW", 0 },
	{ "N04", "AF_BLUETOOTH", open_socket, SOCKET(31, SOCK_RAW, 1), "HCI", 0 },
	{ "N04", "AF_SMC", open_socket, SOCKET(43, SOCK_STREAM, 0), "SMC", 0 },
	{ "N04", "AF_X25", open_socket, SOCKET(9, SOCK_SEQPACKET, 0), "X25", 0 },
	{ "N05", "", open_socket, SOCKET(44, SOCK_RAW, 0), "XDP", 0 },
	{ "N06", "AF_PACKET", open_socket, SOCKET(17, SOCK_RAW, 0), "PACKET", 0 },
	{ "N06", "raw ICMP", open_socket, SOCKET(AF_INET, SOCK_RAW, IPPROTO_ICMP), "*", 0 },
	{ "N07", "NETLINK_XFRM", open_socket, SOCKET(16, SOCK_RAW, 6), NULL, 0 },
	{ "N07", "NETLINK_NETFILTER", open_socket, SOCKET(16, SOCK_RAW, 12), NULL, 0 },
	{ "N08", "", open_socket, SOCKET(16, SOCK_RAW, 9), NULL, 0 },
	{ "N09", "NETLINK_GENERIC", open_socket, SOCKET(16, SOCK_RAW, 16), "*", 0 },
	{ "N09", "NETLINK_SOCK_DIAG", open_socket, SOCKET(16, SOCK_RAW, 4), NULL, 0 },
	{ "N09", "NETLINK_CONNECTOR", open_socket, SOCKET(16, SOCK_DGRAM, 11), NULL, 0 },
	{ "N10", "NETLINK_ROUTE", open_socket, SOCKET(16, SOCK_RAW, 0), "*", 0 },
	{ "N10", "NETLINK_KOBJECT_UEVENT", open_socket, SOCKET(16, SOCK_RAW, 15), "*", 0 },
	{ "N11", "", low_port, 0, NULL, 0 },
	{ "N12", "IPv4", metadata, AF_INET, "169.254.169.254", 0 },
	{ "N12", "IPv6", metadata, AF_INET6, "fd00:ec2::254", 0 },
	{ "N13", "", others_sockets, 0, NULL, 0 },
	{ "N14", "", forwarding, 0, "/proc/sys/net/ipv4/ip_forward", 0 },
	{ "N15", "", needs_harness, 0, NULL, 0 },
};

const struct family net = FAMILY(list);
