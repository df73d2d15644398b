/* F: what /proc and /sys tell, and let change. */
#include "probe.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* open_or_say opens, or says what came of it: -1. */
static int open_or_say(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV || errno == ENOTDIR)) {
		say_absent(errno, "%s", path);
	} else if (!judge_real(fd, ALWAYS, path)) {
		;
	} else if (is_masked(fd)) {
		say_blocked(0, "%s is hidden: an empty device is over it", path);
		outcome->effect = 1;
		close(fd);
		fd = -1;
	}
	return fd;
}

/* What is only opened: reading the memory of the kernel or taking lines out of
 * its log would do something. */
static void only_open(const struct check *c)
{
	int fd = open_or_say(c->path, O_RDONLY);
	if (fd < 0)
		return;
	close(fd);
	say_allowed(1, "%s was opened", c->path);
}

static void read_some(const struct check *c)
{
	char buf[64];
	int fd = open_or_say(c->path, O_RDONLY);
	if (fd < 0)
		return;
	ssize_t n = read(fd, buf, sizeof(buf));
	if (judge_real(n, ALWAYS, c->path))
		say_allowed(1, n ? "%s was read" : "%s was read, and is empty", c->path);
	close(fd);
}

static void only_write_open(const struct check *c)
{
	int fd = open_or_say(c->path, O_WRONLY);
	if (fd < 0)
		return;
	close(fd);
	say_allowed(1, "%s was opened for writing", c->path);
}

static void list_directory(const struct check *c)
{
	int entries = 0;
	struct dirent *entry;
	DIR *dir = opendir(c->path);
	if (!dir && errno == ENOENT) {
		say_absent(errno, "%s", c->path);
		return;
	}
	if (!judge_real(dir ? 0 : -1, ALWAYS, c->path))
		return;
	while ((entry = readdir(dir)))
		entries += entry->d_name[0] != '.';
	closedir(dir);
	if (entries)
		say_allowed(1, "%s has %d entries", c->path, entries);
	else
		say_blocked(0, "%s is hidden: it is empty", c->path);
	outcome->effect = 1;
}

/* F13: below what a process has without being given anything, and back. */
static void spared(const struct check *c)
{
	char before[32], after[32] = "", lower[16];
	(void)c;
	if (read_file("/proc/self/oom_score_adj", before, sizeof(before)) < 0) {
		judge_real(-1, ALWAYS, "oom_score_adj");
		return;
	}
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (!judge_real(fd, ALWAYS, "oom_score_adj"))
		return;
	int now = atoi(before), want = now > 0 ? -1 : now - 1;
	if (want < -1000) {
		say_not_run("it is the lowest there is");
		return;
	}
	int n = snprintf(lower, sizeof(lower), "%d", want);
	if (judge_real(write(fd, lower, (size_t)n), ALWAYS, "oom_score_adj")) {
		read_file("/proc/self/oom_score_adj", after, sizeof(after));
		int back = pwrite(fd, before, strlen(before), 0) > 0;
		say_allowed(atoi(after) == want, "from %d to %d%s", now, want, back ? ", and back" : "");
	}
	close(fd);
}

static const struct check list[] = {
	{ "F01", "", only_open, 0, "/proc/kcore", 0 },
	{ "F02", "", read_some, 0, "/proc/keys", 0 },
	{ "F03", "", read_some, 0, "/proc/timer_list", 0 },
	{ "F04", "kallsyms", read_some, 0, "/proc/kallsyms", 0 },
	{ "F04", "key-users", read_some, 0, "/proc/key-users", 0 },
	{ "F04", "config.gz", read_some, 0, "/proc/config.gz", 0 },
	{ "F04", "iomem", read_some, 0, "/proc/iomem", 0 },
	{ "F05", "", read_some, 0, "/proc/interrupts", 0 },
	{ "F06", "slabinfo", read_some, 0, "/proc/slabinfo", 0 },
	{ "F06", "vmallocinfo", read_some, 0, "/proc/vmallocinfo", 0 },
	{ "F06", "pagetypeinfo", read_some, 0, "/proc/pagetypeinfo", 0 },
	{ "F07", "/proc", only_open, 0, "/proc/kmsg", 0 },
	{ "F07", "/dev", only_open, 0, "/dev/kmsg", 0 },
	{ "F08", "", list_directory, 0, "/sys/firmware", 0 },
	{ "F09", "modules", list_directory, 0, "/sys/module", 0 },
	{ "F09", "vmcoreinfo", read_some, 0, "/sys/kernel/vmcoreinfo", 0 },
	{ "F10", "", only_write_open, 0, "/proc/sys/kernel/core_pattern", 0 },
	{ "F11", "", only_write_open, 0, "/proc/sys/vm/overcommit_memory", 0 },
	{ "F12", "sysrq-trigger", only_write_open, 0, "/proc/sysrq-trigger", 0 },
	{ "F12", "binfmt_misc", only_write_open, 0, "/proc/sys/fs/binfmt_misc/register", 0 },
	{ "F12", "uevent_helper", only_write_open, 0, "/sys/kernel/uevent_helper", 0 },
	{ "F13", "", spared, 0, NULL, 0 },
};

const struct family proc = FAMILY(list);
