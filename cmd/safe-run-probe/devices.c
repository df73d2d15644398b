/* D: device nodes. What is opened is neither read nor written. */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void judge_opened(const char *path, const char *what)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), err = errno;
	unlink(path);
	errno = err;
	if (fd < 0 && (err == ENXIO || err == ENODEV))
		say_absent(err, "%s: a node was made, and the kernel has no such device", what);
	else if (judge_real(fd, ALWAYS, what)) {
		close(fd);
		say_allowed(1, "%s: made, opened and removed", what);
	} else
		outcome->effect = 1;
}

/* make_node makes one in a directory of our own; where there is none, below the
 * root, which is then read-only or ours. */
static void make_node(mode_t type, dev_t device, const char *what)
{
	const char *path = settings.work[0] ? in_work("node") : "/.safe-run-probe-node";
	if (judge_real(mknod(path, type | 0600, device), ALWAYS, what))
		judge_opened(path, what);
}

/* D01, D02: the numbers of devices.txt, major and minor in one. */
static void character(const struct check *c)
{
	make_node(S_IFCHR, (dev_t)c->arg, c->path);
}

/* first_disk is the device of the root, or the first line of /proc/partitions. */
static dev_t first_disk(void)
{
	char buf[4096];
	unsigned int major_number, minor_number;
	struct stat st;
	if (stat("/", &st) == 0 && major(st.st_dev) != 0)
		return st.st_dev;
	if (read_file("/proc/partitions", buf, sizeof(buf)) < 0)
		return 0;
	for (char *line = strchr(buf, '\n'); line; line = strchr(line + 1, '\n'))
		if (sscanf(line, "%u %u", &major_number, &minor_number) == 2)
			return makedev(major_number, minor_number);
	return 0;
}

static void disk(const struct check *c)
{
	dev_t device = first_disk();
	if (!device)
		say_absent(0, "no disk can be told from here");
	else
		make_node(S_IFBLK, device, c->path);
}

/* registered says whether the kernel has the device, whatever /dev shows. */
static int registered(const char *file, const char *name)
{
	char buf[4096], line[40];
	if (read_file(file, buf, sizeof(buf)) < 0)
		return 0;
	snprintf(line, sizeof(line), " %s\n", name);
	return strstr(buf, line) != NULL;
}

/* D03: arg says where the kernel lists it. */
static void there(const struct check *c)
{
	int fd = open(c->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int listed = registered(c->arg ? "/proc/misc" : "/proc/devices", c->part);
	if (fd < 0 && errno == ENOENT && listed)
		say_blocked(ENOENT, "the kernel has it, and %s is not there", c->path);
	else if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
		say_absent(errno, "%s", c->path);
	else if (judge_real(fd, ALWAYS, c->path)) {
		close(fd);
		say_allowed(1, "%s was opened", c->path);
	}
}

#define DEVICE(major, minor) ((major) << 8 | (minor))

static const struct check list[] = {
	{ "D01", "", character, DEVICE(1, 3), "null", 0 },
	{ "D02", "mem", character, DEVICE(1, 1), "mem", 0 },
	{ "D02", "kmsg", character, DEVICE(1, 11), "kmsg", 0 },
	{ "D02", "disk", disk, 0, "disk", 0 },
	{ "D03", "mem", there, 0, "/dev/mem", 0 },
	{ "D03", "kvm", there, 1, "/dev/kvm", 0 },
	{ "D03", "fuse", there, 1, "/dev/fuse", 0 },
	{ "D03", "tun", there, 1, "/dev/net/tun", 0 },
};

const struct family devices = FAMILY(list);
