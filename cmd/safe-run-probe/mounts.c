/* M: mounts, namespaces, and what was left open. */
#include "probe.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* Where there is nothing to write, a file takes the directory's place: a mount
 * that reaches the kernel then fails with ENOTDIR, and nothing is made. */
static const char *mount_point(int *own)
{
	const char *dir = settings.work[0] ? in_work("mnt") : NULL;
	*own = dir && (mkdir(dir, 0700) == 0 || errno == EEXIST);
	return *own ? dir : "/proc/self/exe";
}

static int judge_mount(int own, long result, const char *what)
{
	if (!own) {
		judge_reach(result, ALWAYS, what);
		return 0;
	}
	if (result < 0 && (errno == ENODEV || errno == EBUSY)) {
		say_absent(errno, "%s", what);
		return 0;
	}
	return judge_real(result, ALWAYS, what);
}

/* M01, M02: arg is the magic number of what is mounted (linux/magic.h). */
static void mount_type(const struct check *c)
{
	struct statfs st;
	int own;
	const char *dir = mount_point(&own);
	if (!judge_mount(own, mount(c->path, dir, c->path, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), c->path))
		return;
	int seen = statfs(dir, &st) == 0 && (long)st.f_type == c->arg;
	if (umount2(dir, MNT_DETACH))
		say_failed(errno, "%s was mounted on a directory of our own and cannot be taken away", c->path);
	else
		say_allowed(seen, "%s was mounted, seen and taken away", c->path);
}

/* M03: a hierarchy without controllers, with a name of our own, so that none of
 * the host's is touched; the kernel drops it with its mount. */
static void mount_cgroup(const struct check *c)
{
	char path[300];
	int own;
	(void)c;
	const char *dir = mount_point(&own);
	if (!judge_mount(own, mount("cgroup", dir, "cgroup", 0, "none,name=safe-run-probe"), "cgroup"))
		return;
	snprintf(path, sizeof(path), "%s/release_agent", dir);
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = errno;
	if (fd >= 0)
		close(fd);
	umount2(dir, MNT_DETACH);
	if (fd >= 0)
		say_allowed(1, "mounted, release_agent opened for writing, taken away");
	else if (is_refusal(err))
		say_allowed(1, "mounted and taken away; release_agent: %s", errno_name(err));
	else
		say_failed(err, "mounted and taken away; release_agent");
}

static int root_flags(const struct mount_line *m, void *arg)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} names[] = {
		{ "ro", MS_RDONLY }, { "nosuid", MS_NOSUID }, { "nodev", MS_NODEV }, { "noexec", MS_NOEXEC },
		{ "noatime", MS_NOATIME }, { "nodiratime", MS_NODIRATIME }, { "relatime", MS_RELATIME },
		{ "nosymfollow", 256 },
	};
	char options[128], *save = NULL;
	unsigned long flags = 0;
	if (strcmp(m->point, "/") != 0)
		return 0;
	snprintf(options, sizeof(options), "%s", m->options);
	for (char *one = strtok_r(options, ",", &save); one; one = strtok_r(NULL, ",", &save))
		for (size_t i = 0; i < COUNT(names); i++)
			if (strcmp(one, names[i].name) == 0)
				flags |= names[i].flag;
	*(unsigned long *)arg = flags | 1UL << 63; /* the last line for / is the one on top: go on */
	return 0;
}

/* M04: with the flags that the mount has. */
static void remount(const struct check *c)
{
	unsigned long flags = 0;
	(void)c;
	if (each_mount(root_flags, &flags) || !flags) {
		say_not_run("the flags of / cannot be read, and others must not be set");
		return;
	}
	flags &= ~(1UL << 63);
	if (judge_real(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | flags, NULL), ALWAYS, "remount /"))
		say_allowed(0, "/ was remounted with the flags it had");
}

static void new_api(const struct check *c)
{
	long fd;
	if (c->arg == SYS_fsopen)
		fd = syscall(SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */);
	else
		fd = syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
	if (!judge_real(fd, SINCE(5, 2), c->part))
		return;
	close((int)fd);
	say_allowed(1, "a descriptor was given");
}

static void bad_mounts(const struct check *c)
{
	struct {
		uint64_t set, clear, propagation, userns;
	} attr = { 4 /* MOUNT_ATTR_NODEV */, 0, 0, 0 };
	if (c->arg == SYS_move_mount) /* MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH */
		judge_reach(syscall(c->arg, -1, "", -1, "", 0x44), SINCE(5, 2), c->part);
	else if (c->arg == SYS_mount_setattr)
		judge_reach(syscall(c->arg, -1, "", AT_EMPTY_PATH, &attr, sizeof(attr)), SINCE(5, 12), c->part);
	else
		judge_reach(syscall(SYS_pivot_root, "/proc/self/nx", "/proc/self/nx"), ALWAYS, c->part);
}

static void change_root(const struct check *c)
{
	(void)c;
	if (judge_real(chroot("/"), ALWAYS, "chroot"))
		say_allowed(0, "/ is the root again");
}

static void join_own(const struct check *c)
{
	(void)c;
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		judge_reach(syscall(SYS_setns, -1, CLONE_NEWUTS), ALWAYS, "setns without a descriptor");
		return;
	}
	if (judge_real(setns(fd, CLONE_NEWUTS), ALWAYS, "setns"))
		say_allowed(0, "joined the namespace that it is in");
}

static void namespace_of(const char *name, char *out, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	ssize_t n = readlink(path, out, size - 1);
	out[n < 0 ? 0 : n] = 0;
}

/* M09: by clone(2) itself, because a filter looks at its flags. */
static void new_user(const struct check *c)
{
	struct {
		char ours[64], theirs[64];
	} *seen = shared(sizeof(*seen));
	int status;
	(void)c;
	if (!seen) {
		say_failed(errno, "no shared memory");
		return;
	}
	namespace_of("user", seen->ours, sizeof(seen->ours));
	long pid = syscall(SYS_clone, CLONE_NEWUSER | 17 /* SIGCHLD */, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		namespace_of("user", seen->theirs, sizeof(seen->theirs));
		_exit(0);
	}
	if (pid < 0 && (errno == ENOSPC || errno == EUSERS))
		say_blocked(errno, "no more user namespaces: user.max_user_namespaces");
	else if (pid < 0 && errno == EINVAL)
		say_absent(errno, "user namespaces");
	else if (judge_real(pid, ALWAYS, "clone")) {
		waitpid((pid_t)pid, &status, 0);
		say_allowed(seen->theirs[0] && strcmp(seen->ours, seen->theirs), "a child had a user namespace of its own");
	}
}

/* M10: of this child alone. */
static void new_namespace(const struct check *c)
{
	char before[64], after[64];
	namespace_of(c->path, before, sizeof(before));
	long result = unshare((int)c->arg);
	if (result < 0 && errno == EINVAL)
		say_absent(errno, "%s namespaces", c->part);
	else if (result < 0 && (errno == ENOSPC || errno == EUSERS))
		say_blocked(errno, "no more namespaces of this kind");
	else if (judge_real(result, ALWAYS, c->part)) {
		namespace_of(c->path, after, sizeof(after));
		say_allowed(after[0] && strcmp(before, after), "a namespace of its own");
	}
}

static void clone_three(const struct check *c)
{
	/* struct clone_args of its first version: flags and the signal at the end. */
	uint64_t args[8] = { CLONE_NEWUSER, 0, 0, 0, 17 /* SIGCHLD */, 0, 0, 0 };
	(void)c;
	long pid = syscall(435, args, sizeof(args));
	if (pid == 0)
		_exit(0);
	if (pid < 0 && (errno == ENOSPC || errno == EUSERS))
		say_blocked(errno, "no more user namespaces: user.max_user_namespaces");
	else if (pid < 0 && errno == EINVAL)
		say_absent(errno, "user namespaces");
	else if (judge_real(pid, SINCE(5, 3), "clone3")) {
		waitpid((pid_t)pid, NULL, 0);
		say_allowed(1, "a child had a user namespace, and no filter saw the flag");
	}
}

static int propagates(const struct mount_line *m, void *arg)
{
	if (!strstr(m->optional, "shared:") && !strstr(m->optional, "master:"))
		return 0;
	snprintf(arg, 256, "%.200s is%.40s", m->point, m->optional);
	return 1;
}

static void propagation(const struct check *c)
{
	char found[256] = "";
	(void)c;
	if (each_mount(propagates, found))
		say_failed(errno, "/proc/self/mountinfo");
	else if (found[0])
		say_allowed(1, "%s", found);
	else
		say_blocked(0, "no mount is shared with the host, or follows it");
	outcome->effect = 1;
}

static int is_host_bind(const struct mount_line *m, void *arg)
{
	static const char *const pseudo[] = { "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "nsfs", "securityfs" };
	static const char *const engine[] = { "/etc/", "/dev", "/proc", "/sys", "/run/.containerenv", "/run/secrets", "/.dockerenv" };
	if (strcmp(m->root, "/") == 0 || strncmp(m->options, "rw", 2) != 0)
		return 0;
	if (strcmp(m->point, "/") == 0) /* what the root is made of; writing to it is R08 */
		return 0;
	for (size_t i = 0; i < COUNT(pseudo); i++)
		if (strcmp(m->type, pseudo[i]) == 0)
			return 0;
	for (size_t i = 0; i < COUNT(engine); i++) /* what every engine makes for itself */
		if (strncmp(m->point, engine[i], strlen(engine[i])) == 0)
			return 0;
	snprintf(arg, 256, "%.100s is %.100s of the host, writable", m->point, m->root);
	return 1;
}

/* M13: where we are in the host's control groups is seen without a namespace of
 * them. A hierarchy that we are not in below the namespace's own place begins
 * with "/..". */
static void cgroup_place(const struct check *c)
{
	static char buf[8192];
	char *save = NULL;
	(void)c;
	if (read_file("/proc/self/cgroup", buf, sizeof(buf)) < 0) {
		if (errno == ENOENT)
			say_absent(errno, "/proc/self/cgroup");
		else
			say_failed(errno, "/proc/self/cgroup");
		return;
	}
	outcome->effect = 1;
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *at = strchr(line, ':');
		at = at ? strchr(at + 1, ':') : NULL;
		if (at && at[1] == '/' && at[2] && at[2] != '.') {
			say_allowed(1, "it is %.150s of the host", at + 1);
			return;
		}
	}
	say_blocked(0, "each hierarchy begins where we are");
}

/* parent_of gives the parent of a process as /proc numbers it, -1 where it is
 * gone, and 0 for who has none here. */
static long parent_of(const char *pid)
{
	char path[300], buf[2048];
	snprintf(path, sizeof(path), "/proc/%.200s/status", pid);
	char *at = read_file(path, buf, sizeof(buf)) > 0 ? strstr(buf, "\nPPid:") : NULL;
	if (!at || strstr(buf, "\nState:\tZ") || strstr(buf, "\nState:\tX"))
		return -1;
	return strtol(at + 6, NULL, 10);
}

/* descends says whether a process is another, or has it among its parents; who
 * ends meanwhile is not told from one that does. */
static int descends(long pid, long from)
{
	char name[32];
	for (int n = 0; pid != from; n++) {
		snprintf(name, sizeof(name), "%ld", pid);
		pid = parent_of(name);
		if (pid < 0 || n > 1000)
			return 1;
		if (pid == 0)
			return 0;
	}
	return 1;
}

/* Whoever is seen beside us is a process of the host's, or of another container:
 * nothing is started here but what starts us and what we start. */
static void others_seen(const struct check *c)
{
	long probe = parent_of("self"); /* the program, whose children checks are */
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct stat own, other;
	char path[300];
	(void)c;
	if (!proc || probe <= 0 || stat("/proc/self/", &own) < 0) {
		say_failed(errno, "/proc");
		return;
	}
	say_blocked(0, "no process is seen but ours");
	outcome->effect = 1;
	while ((entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/", entry->d_name);
		if (*entry->d_name < '1' || *entry->d_name > '9' || strcmp(entry->d_name, "1") == 0 || stat(path, &other) < 0)
			continue;
		if (other.st_uid != own.st_uid)
			say_allowed(1, "process %.20s of user %u is seen", entry->d_name, (unsigned int)other.st_uid);
		else if (!descends(atol(entry->d_name), probe) && !descends(probe, atol(entry->d_name)))
			say_allowed(1, "process %.20s is seen, which is neither ours nor what started us", entry->d_name);
	}
	closedir(proc);
}

/* The name that a container was given is in /etc/hostname. */
static void name_of_host(const struct check *c)
{
	char given[128];
	struct utsname is;
	(void)c;
	if (read_file("/etc/hostname", given, sizeof(given)) <= 0) {
		say_not_run("nobody says which name was given");
		return;
	}
	given[strcspn(given, "\n")] = 0;
	if (uname(&is) < 0)
		say_failed(errno, "uname");
	else if (strcmp(given, is.nodename) != 0)
		say_allowed(1, "its name is %.60s, and %.60s was given", is.nodename, given);
	else
		say_blocked(0, "its name is the one that was given");
	outcome->effect = 1;
}

/* BIND_PATH is a directory of the harness that everybody may write to, and
 * SOCKET_PATH a socket of its own that only root may: they are there only where
 * the layer that keeps the host's away was taken away. */
#define BIND_PATH "/.safe-run-attacks-bind"
#define SOCKET_PATH "/.safe-run-attacks-socket"

/* is_other_bind is one that the harness has not put there. */
static int is_other_bind(const struct mount_line *m, void *arg)
{
	return strncmp(m->point, "/.safe-run-attacks", 18) != 0 && is_host_bind(m, arg);
}

static void host_binds(const struct check *c)
{
	char found[256] = "";
	(void)c;
	if (each_mount(is_other_bind, found) == 0 && !found[0] && access(BIND_PATH, W_OK) == 0) {
		/* The modes let it through: a refusal is somebody else's. */
		int fd = open(BIND_PATH "/file", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (judge_real(fd, ALWAYS, "a file in a directory of the host that everybody may write to")) {
			close(fd);
			unlink(BIND_PATH "/file");
			say_allowed(1, "a file was made in a directory of the host");
		}
		outcome->effect = 1;
		return;
	}
	if (each_mount(is_host_bind, found))
		say_failed(errno, "/proc/self/mountinfo");
	else if (found[0])
		say_allowed(1, "%s", found);
	else
		say_blocked(0, "no directory of the host is writable");
	outcome->effect = 1;
}

static void engine_sockets(const struct check *c)
{
	static const char *const paths[] = {
		"/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock",
		"/run/podman/podman.sock", "/run/docker/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock",
		"/run/buildkit/buildkitd.sock", "/run/dbus/system_bus_socket", "/run/systemd/private",
	};
	struct stat st;
	(void)c;
	for (size_t i = 0; i < COUNT(paths); i++)
		if (stat(paths[i], &st) == 0 && S_ISSOCK(st.st_mode)) {
			say_allowed(1, "%s is there", paths[i]);
			return;
		}
	if (stat(SOCKET_PATH, &st) == 0) {
		struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = SOCKET_PATH };
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (judge_real(connect(fd, (struct sockaddr *)&at, sizeof(at)), ALWAYS, "a socket of the host's root"))
			say_allowed(1, "connected to a socket of the host's root");
		outcome->effect = 1;
		return;
	}
	say_blocked(0, "no socket of an engine or a service manager");
	outcome->effect = 1;
}

/* M15: what the launcher has forgotten to close comes with us. */
static void inherited(const struct check *c)
{
	char path[40], target[160];
	(void)c;
	for (int fd = 3; fd < 4096; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		say_allowed(1, "descriptor %d is open: %s", fd, target);
		return;
	}
	say_blocked(0, "nothing is open but the standard streams");
	outcome->effect = 1;
}

static void outside(const struct check *c)
{
	char cwd[4096];
	(void)c;
	if (syscall(SYS_getcwd, cwd, sizeof(cwd)) < 0)
		say_failed(errno, "getcwd");
	else if (cwd[0] != '/')
		say_allowed(1, "the working directory is %.100s", cwd);
	else
		say_blocked(0, "the working directory is below the root");
	outcome->effect = 1;
}

static void first_program(const struct check *c)
{
	(void)c;
	int fd = open("/proc/1/exe", O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ETXTBSY)
		say_blocked(errno, "the program is running, and nothing but that protects it");
	else if (fd < 0 && errno == ENOENT)
		say_absent(errno, "/proc/1/exe");
	else if (judge_real(fd, ALWAYS, "/proc/1/exe"))
		say_allowed(1, "opened for writing");
}

/* M17: the handle of / where it can be had, or the one that shocker guessed:
 * inode 2, the root of most filesystems. Nothing is read. */
static void by_handle(const struct check *c)
{
	struct {
		unsigned int bytes;
		int type;
		unsigned char data[128];
	} handle = { sizeof(handle.data), 0, { 0 } };
	int id, top = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)c;
	const char *which = "the handle of /";
	if (syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &handle, &id, 0) < 0) {
		which = "a guessed handle";
		memset(&handle, 0, sizeof(handle));
		handle.bytes = 8;
		handle.type = 1;
		handle.data[0] = 2;
	}
	long fd = syscall(SYS_open_by_handle_at, top, &handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		judge_reach(fd, OPTIONAL, which);
	else
		say_allowed(1, "%s was opened", which);
}

static int is_mask(const struct mount_line *m, void *arg)
{
	int below = strncmp(m->point, "/proc/", 6) == 0 || strncmp(m->point, "/sys/firmware", 13) == 0;
	int empty = strcmp(m->root, "/null") == 0 || strcmp(m->type, "tmpfs") == 0;
	if (!below || !empty || strncmp(m->point, "/proc/sys/fs", 12) == 0)
		return 0;
	snprintf(arg, 256, "%s", m->point);
	return 1;
}

/* M12: a mask that is found, in a copy of the mounts where one may be made;
 * without one, a directory that is no mount. */
void take_mask(const struct check *c)
{
	char mask[256] = "", after[256] = "";
	(void)c;
	if (each_mount(is_mask, mask) || !mask[0]) {
		judge_reach(umount2("/proc/self", UMOUNT_NOFOLLOW), ALWAYS, "umount2 of what is no mount");
		return;
	}
	if (unshare(CLONE_NEWNS) == 0)
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	long result = umount2(mask, MNT_DETACH | UMOUNT_NOFOLLOW);
	if (result < 0 && errno == EINVAL)
		say_blocked(errno, "%.200s is locked", mask);
	else if (judge_real(result, ALWAYS, "umount2")) {
		each_mount(is_mask, after);
		say_allowed(strcmp(mask, after) != 0, "%.200s was taken off", mask);
	}
}

static void needs_fixtures(const struct check *c)
{
	(void)c;
	say_not_run("needs images made for it, looked at from the host");
}

static const struct check list[] = {
	{ "M01", "", mount_type, 0x01021994, "tmpfs", 0 },
	{ "M02", "", mount_type, 0x9fa0, "proc", 0 },
	{ "M03", "", mount_cgroup, 0, NULL, 0 },
	{ "M04", "", remount, 0, NULL, 0 },
	{ "M05", "fsopen", new_api, SYS_fsopen, NULL, 0 },
	{ "M05", "open_tree", new_api, SYS_open_tree, NULL, 0 },
	{ "M06", "move_mount", bad_mounts, SYS_move_mount, NULL, 0 },
	{ "M06", "mount_setattr", bad_mounts, SYS_mount_setattr, NULL, 0 },
	{ "M06", "pivot_root", bad_mounts, SYS_pivot_root, NULL, 0 },
	{ "M07", "", change_root, 0, NULL, 0 },
	{ "M08", "", join_own, 0, NULL, 0 },
	{ "M09", "", new_user, 0, NULL, 0 },
	{ "M10", "mount", new_namespace, CLONE_NEWNS, "mnt", 0 },
	{ "M10", "network", new_namespace, CLONE_NEWNET, "net", 0 },
	{ "M10", "pid", new_namespace, CLONE_NEWPID, "pid_for_children", 0 },
	{ "M10", "ipc", new_namespace, CLONE_NEWIPC, "ipc", 0 },
	{ "M10", "cgroup", new_namespace, CLONE_NEWCGROUP, "cgroup", 0 },
	{ "M10", "time", new_namespace, CLONE_NEWTIME, "time_for_children", 0 },
	{ "M11", "", clone_three, 0, NULL, 0 },
	{ "M13", "mounts", propagation, 0, NULL, 0 },
	{ "M13", "control groups", cgroup_place, 0, NULL, 0 },
	{ "M13", "processes", others_seen, 0, NULL, 0 },
	{ "M13", "name", name_of_host, 0, NULL, 0 },
	{ "M14", "binds", host_binds, 0, NULL, 0 },
	{ "M14", "sockets", engine_sockets, 0, NULL, 0 },
	{ "M15", "descriptors", inherited, 0, NULL, 0 },
	{ "M15", "directory", outside, 0, NULL, 0 },
	{ "M16", "", first_program, 0, NULL, 0 },
	{ "M17", "", by_handle, 0, NULL, 0 },
	{ "M18", "", needs_fixtures, 0, NULL, 0 },
};

const struct family mounts = FAMILY(list);
