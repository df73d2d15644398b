/* K: the kernel itself: modules, other kernels, clocks, its log. */
#include "probe.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* NOWHERE can exist on no host: nobody makes entries below /proc/self. */
#define NOWHERE "/proc/self/nx"

static void modules(const struct check *c)
{
	if (c->arg == SYS_init_module)
		judge_reach(syscall(c->arg, NULL, 0UL, NULL), OPTIONAL, c->part);
	else if (c->arg == SYS_finit_module)
		judge_reach(syscall(c->arg, -1, "", 0), OPTIONAL, c->part);
	else
		judge_reach(syscall(c->arg, "safe_run_nx", O_NONBLOCK), OPTIONAL, c->part);
}

/* K02: both the flags and the number of segments are impossible. Valid flags
 * with no segments would unload what the host has loaded. */
static void kexec(const struct check *c)
{
	(void)c;
	judge_reach(syscall(SYS_kexec_load, 0UL, 0x1000UL, NULL, 0xffffUL), OPTIONAL, "kexec_load with impossible flags");
}

static void bad_reboot(const struct check *c)
{
	(void)c;
	judge_reach(syscall(SYS_reboot, 0x12345678, 0x12345678, 0, NULL), ALWAYS, "reboot with a magic number that is none");
}

/* K04: acct(NULL) would switch accounting off; the name is never NULL. */
static void by_name(const struct check *c)
{
	if (c->arg == SYS_swapon)
		judge_reach(syscall(c->arg, NOWHERE, 0), OPTIONAL, c->part);
	else
		judge_reach(syscall(c->arg, NOWHERE), OPTIONAL, c->part);
}

/* K05: Q_GETFMT of users, of a device that is none. */
static void quota(const struct check *c)
{
	uint32_t format = 0;
	(void)c;
	judge_reach(syscall(SYS_quotactl, 0x800004 << 8, NOWHERE, 0, &format), OPTIONAL, "quotactl");
}

static void set_nothing(const struct check *c)
{
	(void)c;
	if (judge_real(syscall(SYS_settimeofday, NULL, NULL), ALWAYS, "settimeofday"))
		say_allowed(0, "the time was set to nothing");
}

/* K07: modes 0 reads. */
static void read_clock(const struct check *c)
{
	long timex[64] = { 0 }; /* struct timex is smaller */
	(void)c;
	if (judge_real(syscall(SYS_adjtimex, timex), ALWAYS, "adjtimex"))
		say_allowed(1, "the state of the clock was read");
}

/* K08: SYSLOG_ACTION_READ_ALL takes nothing out of the log. */
static void read_log(const struct check *c)
{
	char buf[64];
	(void)c;
	long n = syscall(SYS_syslog, 3, buf, (int)sizeof(buf));
	if (judge_real(n, OPTIONAL, "syslog"))
		say_allowed(1, "%ld bytes of the kernel's log", n);
}

#if defined(__x86_64__)
static void ports(const struct check *c)
{
	long result = c->arg == SYS_iopl ? syscall(SYS_iopl, 3) : syscall(SYS_ioperm, 0x80UL, 1UL, 1);
	if (judge_real(result, OPTIONAL, c->part))
		say_allowed(1, "this process might use them");
}
#else
static void ports(const struct check *c)
{
	say_absent(0, "%s: not on this architecture", c->part);
}
#define SYS_iopl 0
#define SYS_ioperm 0
#endif

/* K09: in a session of its own, which has no terminal to hang up. */
static int hang_up(void *arg)
{
	int *err = arg;
	if (setsid() < 0) {
		*err = -1;
		return 0;
	}
	*err = syscall(SYS_vhangup) < 0 ? errno : 0;
	return 0;
}

static void hangup(const struct check *c)
{
	int *err = shared(sizeof(*err));
	if (!err) {
		say_failed(errno, "no shared memory");
		return;
	}
	int status = in_child(hang_up, err);
	if (status == -1 || *err == -1)
		say_failed(errno, "no session of its own");
	else if (status != 0)
		say_blocked(0, "the call ended the process, with signal %d", status & 0x7f);
	else if ((errno = *err, judge_real(*err ? -1 : 0, ALWAYS, c->part)))
		say_allowed(0, "hung up in a session without a terminal");
}

static void host_name(const struct check *c)
{
	struct utsname before, after;
	(void)c;
	if (uname(&before)) {
		say_failed(errno, "uname");
		return;
	}
	if (!judge_real(syscall(SYS_sethostname, before.nodename, strlen(before.nodename)), ALWAYS, "sethostname"))
		return;
	uname(&after);
	say_allowed(strcmp(before.nodename, after.nodename) == 0, "the name was set to what it is");
}

/* K11: reports by file handle (FAN_REPORT_FID), which need no privilege. */
static void watch_all(const struct check *c)
{
	(void)c;
	long fd = syscall(SYS_fanotify_init, 0x201U, O_RDONLY);
	if (fd < 0 && errno == EMFILE) {
		say_blocked(errno, "no more groups: user.max_fanotify_groups");
		return;
	}
	if (!judge_real(fd, OPTIONAL, "fanotify_init"))
		return;
	close((int)fd);
	say_allowed(1, "a descriptor was given");
}

static const struct check list[] = {
	{ "K01", "init_module", modules, SYS_init_module, NULL, 0 },
	{ "K01", "finit_module", modules, SYS_finit_module, NULL, 0 },
	{ "K01", "delete_module", modules, SYS_delete_module, NULL, 0 },
	{ "K02", "", kexec, 0, NULL, 0 },
	{ "K03", "", bad_reboot, 0, NULL, 0 },
	{ "K04", "swapon", by_name, SYS_swapon, NULL, 0 },
	{ "K04", "swapoff", by_name, SYS_swapoff, NULL, 0 },
	{ "K04", "acct", by_name, SYS_acct, NULL, 0 },
	{ "K05", "", quota, 0, NULL, 0 },
	{ "K06", "", set_nothing, 0, NULL, 0 },
	{ "K07", "", read_clock, 0, NULL, 0 },
	{ "K08", "", read_log, 0, NULL, 0 },
	{ "K09", "iopl", ports, SYS_iopl, NULL, 0 },
	{ "K09", "ioperm", ports, SYS_ioperm, NULL, 0 },
	{ "K09", "vhangup", hangup, 0, NULL, 0 },
	{ "K10", "", host_name, 0, NULL, 0 },
	{ "K11", "", watch_all, 0, NULL, 0 },
};

const struct family kernel = FAMILY(list);
