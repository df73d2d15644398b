/* P: what a process may become. */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

/* A copy of this program that is set-user-ID of the container's root: it is there
 * only where a layer was taken away that would keep it from having an effect. */
#define SETUID_PATH "/.safe-run-attacks-setuid"

static unsigned long long status_set(const char *name)
{
	char value[64];
	return status_field(name, value, sizeof(value)) ? 0 : strtoull(value, NULL, 16);
}

/* gained is what that copy does: its exit code says what execve(2) gave it. */
int gained(const char *before)
{
	unsigned long long had = strtoull(before, NULL, 16);
	return (geteuid() != getuid() ? 1 : 0) | (status_set("CapPrm") & ~had ? 2 : 0);
}

static int execute_setuid(void *arg)
{
	char had[32];
	(void)arg;
	snprintf(had, sizeof(had), "%llx", status_set("CapPrm"));
	execl(SETUID_PATH, SETUID_PATH, "gained", had, (char *)NULL);
	return 127;
}

/* by_execve judges what is left of a control by what a set-user-ID program gets:
 * nothing, and the privileges do not come back. Without the copy it is as if it
 * had got them. */
static void by_execve(int wanted, const char *what)
{
	int status = access(SETUID_PATH, F_OK) == 0 ? in_child(execute_setuid, NULL) : -1;
	int code = status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : 127;
	if (status != -1 && code == 127)
		say_failed(0, "%s, and the set-user-ID program did not run", what);
	else if (status == -1 || code & wanted)
		say_allowed(1, "%s%s", what, status == -1 ? "" : ", and a set-user-ID program of root gains by it");
	else
		say_blocked(EPERM, "%s, and a set-user-ID program of root gains nothing", what);
	outcome->effect = 1;
}

static void bounding_set(const struct check *c)
{
	char value[64], what[128];
	(void)c;
	if (status_field("CapBnd", value, sizeof(value))) {
		say_failed(errno, "/proc/self/status");
		return;
	}
	snprintf(what, sizeof(what), "the bounding set is %s", value);
	if (status_set("CapPrm") || status_set("CapEff") || status_set("CapAmb"))
		say_allowed(1, "%s, and some are had", what);
	else if (status_set("CapBnd"))
		by_execve(2, what);
	else
		say_blocked(0, "the bounding set is empty");
	outcome->effect = 1;
}

static void new_privileges(const struct check *c)
{
	char value[64];
	(void)c;
	if (status_field("NoNewPrivs", value, sizeof(value)))
		say_failed(errno, "/proc/self/status");
	else if (strcmp(value, "1") != 0)
		by_execve(1 | 2, "NoNewPrivs is 0");
	else
		say_blocked(0, "NoNewPrivs is 1");
	outcome->effect = 1;
}

/* P03: the real, effective and saved one, of this child alone. */
static void become_root(const struct check *c)
{
	(void)c;
	int was = getuid();
	long result = syscall(SYS_setuid, 0);
	if (result < 0 && errno == EINVAL)
		say_blocked(errno, "the user namespace has no root");
	else if (judge_real(result, ALWAYS, "setuid(0)"))
		say_allowed(geteuid() == 0, "from %d to %d", was, (int)geteuid());
}

static int own_file(const char *path)
{
	int fd = path ? open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) : -1;
	if (path && fd < 0)
		say_failed(errno, "a file of our own");
	return fd;
}

/* P04: CAP_NET_RAW, as in capability.h: revision 2, permitted, inheritable. */
static void file_capability(const struct check *c)
{
	const uint32_t cap[5] = { 0x02000001, 1 << 13, 0, 0, 0 };
	char back[32];
	const char *path = in_work("capable");
	int fd = own_file(path);
	(void)c;
	if (fd < 0)
		return;
	long result = fsetxattr(fd, "security.capability", cap, sizeof(cap), 0);
	if (result < 0 && errno == EOPNOTSUPP)
		say_absent(errno, "this filesystem has no such attributes");
	else if (judge_real(result, ALWAYS, "security.capability"))
		say_allowed(fgetxattr(fd, "security.capability", back, sizeof(back)) > 0, "a file of our own has a capability");
	close(fd);
	unlink(path);
}

/* P05: the bit alone does nothing on a mount with nosuid. */
static void setuid_bit(const struct check *c)
{
	struct stat st;
	struct statvfs fs;
	const char *path = in_work("setuid");
	int fd = own_file(path);
	(void)c;
	if (fd < 0)
		return;
	long result = chmod(path, 04700);
	if (judge_real(result, ALWAYS, "chmod u+s")) {
		int set = stat(path, &st) == 0 && (st.st_mode & S_ISUID);
		if (!set)
			say_blocked(0, "the bit was dropped");
		else if (fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID))
			say_blocked(0, "the bit was set, and the mount is nosuid");
		else
			say_allowed(1, "a file of our own is setuid, on a mount that honours it");
		outcome->effect = 1;
	}
	close(fd);
	unlink(path);
}

static void host_root(const struct check *c)
{
	char map[512];
	unsigned long inside, outside, count;
	(void)c;
	if (read_file("/proc/self/uid_map", map, sizeof(map)) < 0) {
		say_failed(errno, "/proc/self/uid_map");
		return;
	}
	outcome->effect = 1;
	for (char *line = map; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (sscanf(line, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 && count > 0) {
			if (geteuid() != 0 && setuid(0) != 0)
				say_blocked(EPERM, "root here is root of the namespace outside, and this process cannot become it");
			else
				say_allowed(1, "root here is root of the namespace outside");
			return;
		}
	say_blocked(0, "root here is nobody's root");
}

static const struct check list[] = {
	{ "P01", "", bounding_set, 0, NULL, 0 },
	{ "P02", "", new_privileges, 0, NULL, 0 },
	{ "P03", "", become_root, 0, NULL, 0 },
	{ "P04", "", file_capability, 0, NULL, 0 },
	{ "P05", "", setuid_bit, 0, NULL, 0 },
	{ "P06", "", host_root, 0, NULL, 0 },
};

const struct family privileges = FAMILY(list);
