/* X: system calls with a history, and programs that are not the image's. */
#include "probe.h"

#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

static void say_descriptor(long fd, int since, const char *what)
{
	if (!judge_real(fd, since, what))
		return;
	close((int)fd);
	say_allowed(1, "%s gave a descriptor", what);
}

static void bpf_map(const struct check *c)
{
	struct {
		uint32_t type, key, value, entries;
		unsigned char rest[112];
	} attr = { 2 /* an array */, 4, 4, 1, { 0 } };
	(void)c;
	say_descriptor(syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, &attr, sizeof(attr)), OPTIONAL, "bpf");
}

static void perf_self(const struct check *c)
{
	struct perf_event_attr attr;
	(void)c;
	memset(&attr, 0, sizeof(attr));
	attr.type = PERF_TYPE_SOFTWARE;
	attr.size = sizeof(attr);
	attr.config = PERF_COUNT_SW_TASK_CLOCK;
	attr.disabled = attr.exclude_kernel = attr.exclude_hv = 1;
	say_descriptor(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 8UL /* CLOEXEC */), OPTIONAL, "perf_event_open");
}

/* X03, X04: arg 1 is UFFD_USER_MODE_ONLY. */
static void user_faults(const struct check *c)
{
	long fd = syscall(SYS_userfaultfd, c->arg | O_CLOEXEC);
	if (fd < 0 && errno == EINVAL && c->arg)
		say_absent(errno, "UFFD_USER_MODE_ONLY");
	else
		say_descriptor(fd, OPTIONAL, "userfaultfd");
}

static void uring(const struct check *c)
{
	char params[120] = { 0 };
	(void)c;
	say_descriptor(syscall(425, 1, params), OPTIONAL, "io_uring_setup");
}

static void session_keyring(const struct check *c)
{
	(void)c; /* KEYCTL_GET_KEYRING_ID, of the session, which is not made */
	long id = syscall(SYS_keyctl, 0, -3, 0);
	if (id >= 0)
		say_allowed(1, "the session keyring is %ld", id);
	else
		judge_reach(id, OPTIONAL, "keyctl");
}

/* X07: the process keyring ends with this child. */
static void keys(const struct check *c)
{
	long id;
	if (c->arg == SYS_add_key)
		id = syscall(SYS_add_key, "user", "safe-run-probe", "x", 1UL, -2);
	else
		id = syscall(SYS_request_key, "user", "safe-run-probe-nx", NULL, 0);
	if (id >= 0)
		say_allowed(1, "key %ld", id);
	else
		judge_reach(id, OPTIONAL, c->part);
}

static int trace_me(void *arg)
{
	char value[32] = "";
	int *seen = arg;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) {
		seen[0] = errno;
		return 1;
	}
	seen[1] = status_field("TracerPid", value, sizeof(value)) == 0 && strcmp(value, "0") != 0;
	return 0;
}

static void traced(const struct check *c)
{
	int *seen = shared(2 * sizeof(int));
	(void)c;
	int status = seen ? in_child(trace_me, seen) : -1;
	if (status == -1)
		say_failed(errno, "no child");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		say_blocked(0, "the call ended the process");
		outcome->sig = SIGSYS;
	} else if ((errno = seen[0], judge_real(status ? -1 : 0, ALWAYS, "ptrace")))
		say_allowed(seen[1], "a child was traced");
}

/* Another process, which does nothing; of itself nobody is asked about. It ends
 * with the group of this check, if not before. */
static pid_t another(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		say_failed(errno, "no child");
	return pid;
}

static void end_another(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void read_memory(const struct check *c)
{
	char from[16] = "safe-run-probe", to[16] = "";
	struct iovec local = { to, sizeof(to) }, remote = { from, sizeof(from) };
	(void)c;
	pid_t pid = another();
	if (pid < 0)
		return;
	if (judge_real(process_vm_readv(pid, &local, 1, &remote, 1, 0), OPTIONAL, "process_vm_readv"))
		say_allowed(memcmp(from, to, sizeof(from)) == 0, "read by process number");
	end_another(pid);
}

static void compare(const struct check *c)
{
	(void)c;
	pid_t pid = another();
	if (pid < 0)
		return;
	long order = syscall(SYS_kcmp, getpid(), pid, 1 /* KCMP_VM */, 0, 0);
	if (judge_real(order, OPTIONAL, "kcmp"))
		say_allowed(order != 0, "compared with a child");
	end_another(pid);
}

static void move_memory(const struct check *c)
{
	pid_t pid = another();
	if (pid < 0)
		return;
	judge_reach(syscall(SYS_move_pages, pid, 0UL, NULL, NULL, NULL, 2 /* MPOL_MF_MOVE */), OPTIONAL, c->part);
	end_another(pid);
}

static void take_descriptor(const struct check *c)
{
	(void)c;
	pid_t pid = another();
	if (pid < 0)
		return;
	int theirs = (int)syscall(434 /* pidfd_open */, pid, 0);
	long fd = syscall(438 /* pidfd_getfd */, theirs, 0, 0);
	if (theirs < 0 && fd < 0) /* without a pidfd: EBADF says that it was let through */
		judge_reach(fd, SINCE(5, 6), "pidfd_getfd");
	else
		say_descriptor(fd, SINCE(5, 6), "pidfd_getfd");
	end_another(pid);
}

static void run_tiny(int fd, const char *path)
{
	char *argv[] = { "tiny", NULL }, *envp[] = { NULL };
	if (fd >= 0)
		syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	if (fd < 0 || is_refusal(errno) || errno == ENOSYS)
		execve(path, argv, envp);
}

static int run_here(void *arg)
{
	const char *path = arg;
	int fd = strncmp(path, "/proc/self/fd/", 14) ? -1 : atoi(path + 14);
	run_tiny(fd, path);
	return errno == EPERM ? 43 : errno == EACCES ? 44 : errno == ENOSYS ? 45 : 46;
}

static void judge_run(const char *path, const char *what)
{
	static const int errs[] = { EPERM, EACCES, ENOSYS };
	int status = in_child(run_here, (void *)path);
	int code = status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (code == 42)
		say_allowed(1, "%s was run", what);
	else if (code >= 43 && code <= 45)
		say_blocked(errs[code - 43], "%s: execve", what);
	else if (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		say_blocked(0, "%s: execve ended the process", what);
		outcome->sig = SIGSYS;
	} else
		say_failed(0, "%s: wait status %d", what, status);
	outcome->effect = 1;
}

/* X12: with MFD_EXEC, as who wants to run it asks; before Linux 6.3 there is no
 * such flag. */
static void memory_file(const struct check *c)
{
	unsigned char program[256];
	char path[40];
	(void)c;
	long fd = syscall(SYS_memfd_create, "probe", 0x10U);
	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_memfd_create, "probe", 0U);
	if (!judge_real(fd, SINCE(3, 17), "memfd_create"))
		return;
	size_t n = tiny_program(program, sizeof(program));
	if (write((int)fd, program, n) != (ssize_t)n) {
		say_failed(errno, "write into memory");
		return;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%ld", fd);
	judge_run(path, "a program in memory");
}

static void run_written(const struct check *c)
{
	unsigned char program[256];
	char path[300];
	snprintf(path, sizeof(path), "%s/.safe-run-probe-exec.%d", c->path, (int)getpid());
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0700);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		say_absent(errno, "%s", c->path);
		return;
	}
	if (fd < 0) {
		judge_real(fd, ALWAYS, "a file to run");
		return;
	}
	size_t n = tiny_program(program, sizeof(program));
	ssize_t wrote = write(fd, program, n);
	close(fd);
	if (wrote == (ssize_t)n)
		judge_run(path, "a program that was written");
	else
		say_failed(errno, "write");
	unlink(path);
}

static void write_and_run(const struct check *c)
{
	(void)c;
	unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!judge_real(page == MAP_FAILED ? -1 : 0, ALWAYS, "mmap"))
		return;
#if defined(__x86_64__)
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* return 42 */
#else
	static const unsigned char code[] = { 0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6 };
#endif
	int (*fn)(void);
	memcpy(page, code, sizeof(code));
	__builtin___clear_cache((char *)page, (char *)page + sizeof(code));
	memcpy(&fn, &page, sizeof(fn));
	say_allowed(fn() == 42, "what was written was run");
}

static void secret_memory(const struct check *c)
{
	(void)c;
	say_descriptor(syscall(447, 0), OPTIONAL, "memfd_secret");
}

static void segments(const struct check *c)
{
#if defined(__x86_64__)
	char table[64];
	if (judge_real(syscall(SYS_modify_ldt, 0, table, sizeof(table)), OPTIONAL, c->part))
		say_allowed(1, "read");
#else
	say_absent(0, "%s: not on this architecture", c->part);
#endif
}

static void fixed_addresses(const struct check *c)
{
	const long flag = 0x0040000; /* ADDR_NO_RANDOMIZE */
	(void)c;
	if (!judge_real(syscall(SYS_personality, flag), ALWAYS, "personality"))
		return;
	long now = syscall(SYS_personality, 0xffffffffL);
	say_allowed(now >= 0 && (now & flag), "address randomisation is off for this child");
}

static void bad_splice(const struct check *c)
{
	(void)c;
	judge_reach(syscall(SYS_splice, -1, NULL, -1, NULL, 1UL, 0), ALWAYS, "splice without descriptors");
}

/* X18: of this child alone, and taken back at once. */
static void real_time(const struct check *c)
{
	struct sched_param param = { 1 };
	(void)c;
	if (!judge_real(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param), ALWAYS, "sched_setscheduler"))
		return;
	int now = (int)syscall(SYS_sched_getscheduler, 0);
	param.sched_priority = 0;
	syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param);
	say_allowed(now == SCHED_FIFO, "real-time, and back");
}

static void io_priority(const struct check *c)
{
	const int realtime = 1 << 13 | 7;
	(void)c;
	if (!judge_real(syscall(SYS_ioprio_set, 1, 0, realtime), ALWAYS, "ioprio_set"))
		return;
	long now = syscall(SYS_ioprio_get, 1, 0);
	syscall(SYS_ioprio_set, 1, 0, 0);
	say_allowed(now == realtime, "real-time, and back");
}

static void stat_mount(const struct check *c)
{
	(void)c;
	judge_reach(syscall(457, NULL, NULL, 0UL, 0), SINCE(6, 8), "statmount");
}

static const struct check list[] = {
	{ "X01", "", bpf_map, 0, NULL, 0 },
	{ "X02", "", perf_self, 0, NULL, 0 },
	{ "X03", "", user_faults, 0, NULL, 0 },
	{ "X04", "", user_faults, 1, NULL, 0 },
	{ "X05", "", uring, 0, NULL, 0 },
	{ "X06", "", session_keyring, 0, NULL, 0 },
	{ "X07", "add_key", keys, SYS_add_key, NULL, 0 },
	{ "X07", "request_key", keys, SYS_request_key, NULL, 0 },
	{ "X08", "", traced, 0, NULL, 0 },
	{ "X09", "", read_memory, 0, NULL, 0 },
	{ "X10", "kcmp", compare, 0, NULL, 0 },
	{ "X10", "move_pages", move_memory, 0, NULL, 0 },
	{ "X11", "", take_descriptor, 0, NULL, 0 },
	{ "X12", "", memory_file, 0, NULL, 0 },
	{ "X13", "/tmp", run_written, 0, "/tmp", 0 },
	{ "X13", "/dev/shm", run_written, 0, "/dev/shm", 0 },
	{ "X13", "/run", run_written, 0, "/run", 0 },
	{ "X13", "/var/tmp", run_written, 0, "/var/tmp", 0 },
	{ "X14", "", write_and_run, 0, NULL, 0 },
	{ "X15", "memfd_secret", secret_memory, 0, NULL, 0 },
	{ "X15", "modify_ldt", segments, 0, NULL, 0 },
	{ "X16", "", fixed_addresses, 0, NULL, 0 },
	{ "X17", "", bad_splice, 0, NULL, 0 },
	{ "X18", "scheduler", real_time, 0, NULL, 0 },
	{ "X18", "ioprio", io_priority, 0, NULL, 0 },
	{ "X19", "", stat_mount, 0, NULL, 0 },
};

const struct family execs = FAMILY(list);
