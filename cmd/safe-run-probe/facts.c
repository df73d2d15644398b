/* What explains results and is no attack: one line, in front of all others. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

static struct text out;

static void fact(const char *name, const char *value)
{
	put(&out, ",\"%s\":", name);
	put_string(&out, value);
}

static void number(const char *name, long value)
{
	put(&out, ",\"%s\":\"%ld\"", name, value);
}

/* first_line of a file, bounded; what it could not be read for otherwise. */
static void file_fact(const char *name, const char *path)
{
	char buf[300];
	if (read_file(path, buf, sizeof(buf)) < 0)
		snprintf(buf, sizeof(buf), "%s", errno_name(errno));
	if (strcmp(name, "cgroup") != 0 && strcmp(name, "uid_map") != 0)
		buf[strcspn(buf, "\n")] = 0;
	fact(name, buf);
}

static int upperdir(const struct mount_line *m, void *arg)
{
	const char *at = strcmp(m->point, "/") == 0 ? strstr(m->super, "upperdir=") : NULL;
	if (at)
		snprintf(arg, 256, "%.*s", (int)strcspn(at + 9, ","), at + 9);
	return at != NULL;
}

int put_facts(void)
{
	static const char *const fields[] = { "Seccomp", "NoNewPrivs", "CapEff", "CapBnd", "Uid", "NSpid" };
	struct utsname name;
	struct rlimit core;
	char buf[256] = "";
	put(&out, "{\"info\":{\"probe\":\"1\"");
	if (uname(&name) == 0) {
		fact("kernel", name.release);
		fact("machine", name.machine);
	}
	for (size_t i = 0; i < COUNT(fields); i++)
		if (status_field(fields[i], buf, sizeof(buf)) == 0)
			fact(fields[i], buf);
	file_fact("boot_id", "/proc/sys/kernel/random/boot_id");
	file_fact("version", "/proc/version");
	file_fact("product", "/sys/class/dmi/id/product_name");
	file_fact("cgroup", "/proc/self/cgroup");
	file_fact("label", "/proc/self/attr/current");
	file_fact("uid_map", "/proc/self/uid_map");
	buf[0] = 0;
	each_mount(upperdir, buf);
	fact("upperdir", buf);
	/* landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION. */
	number("landlock", syscall(444, NULL, 0, 1));
	if (getrlimit(RLIMIT_CORE, &core) == 0)
		number("rlimit_core", (long)core.rlim_max);
	number("kill_init", kill(1, 0) == 0 ? 0 : errno);
	fact("work", settings.work);
	put(&out, "}}");
	return put_line(&out) ? 3 : 0;
}
