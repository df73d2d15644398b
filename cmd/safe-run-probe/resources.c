/* R: limits. Each goes a little beyond the limit that it was told of, and never
 * beyond a bound of its own; without a limit it does not begin. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define MIB (1024ULL * 1024)
#define MOST_CHILDREN 600
#define MOST_DESCRIPTORS 65536
#define MOST_INODES 20000
#define MOST_FILE (256 * MIB)
#define MOST_MEMORY (2048 * MIB)
#define SPIN_US 300000L

/* R01: children that sleep, and are killed before this check ends. */
static void many_children(const struct check *c)
{
	static pid_t children[MOST_CHILDREN];
	int n = 0, err = 0;
	(void)c;
	for (; n < MOST_CHILDREN && !err; n++) {
		children[n] = fork();
		if (children[n] == 0) {
			pause();
			_exit(0);
		}
		if (children[n] < 0)
			err = errno;
	}
	if (err)
		n--;
	for (int i = 0; i < n; i++)
		kill(children[i], SIGKILL);
	for (int i = 0; i < n; i++)
		waitpid(children[i], NULL, 0);
	/* The kernel gives EAGAIN for both limits. Beyond that of the control group it
	 * was the other one, which EUSERS stands for. */
	if (err == EAGAIN && settings.pids && (uint64_t)n > settings.pids)
		say_blocked(EUSERS, "after %d children, more than the control group's %llu", n, (unsigned long long)settings.pids);
	else if (err == EAGAIN)
		say_blocked(err, "after %d children", n);
	else if (err)
		say_failed(err, "after %d children", n);
	else if (settings.pids >= MOST_CHILDREN)
		say_not_run("the limit of %llu is above the %d that it starts", (unsigned long long)settings.pids, n);
	else
		say_allowed(1, "%d children", n);
	outcome->effect = 1;
}

/* The host must have room for what is touched if nothing stops it. */
static int room_for(uint64_t size)
{
	char buf[512];
	char *at = read_file("/proc/meminfo", buf, sizeof(buf)) > 0 ? strstr(buf, "MemAvailable:") : NULL;
	return at && strtoull(at + 13, NULL, 10) * 1024 > size + 256 * MIB;
}

/* die_first makes the kernel choose this process when memory runs out. */
static int die_first(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1000", 4) != 4)
		return -1;
	close(fd);
	return 0;
}

/* R03: bytes of one file, then inodes; all of it removed. */
static void fill(const struct check *c)
{
	static char block[65536];
	char path[300];
	uint64_t done = 0, want = settings.tmpfs_bytes + MIB;
	(void)c;
	if (settings.deep) { /* its own size is gone: what is left is the memory */
		want = settings.memory + 16 * MIB;
		if (!settings.tmpfs_bytes || !settings.memory || want > MOST_MEMORY || !room_for(want)) {
			say_not_run("needs --limits tmpfs and memory, of less than %llu MiB, and as much free on the host", MOST_MEMORY / MIB);
			return;
		}
		die_first();
	} else if (!settings.tmpfs_bytes || want > MOST_FILE || (settings.memory && want > settings.memory / 2)) {
		say_not_run("needs --limits tmpfs, of less than %llu MiB and half of the memory", MOST_FILE / MIB);
		return;
	}
	snprintf(path, sizeof(path), "%s/.safe-run-probe-fill.%d", settings.tmpfs, (int)getpid());
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600), err = 0;
	if (!judge_real(fd, ALWAYS, settings.tmpfs))
		return;
	unlink(path); /* it goes with this child, whatever becomes of that */
	while (done < want && !err) {
		ssize_t n = write(fd, block, sizeof(block));
		if (n > 0)
			done += (uint64_t)n;
		else
			err = n < 0 ? errno : ENOSPC;
	}
	close(fd);
	if (settings.deep && (err == ENOSPC || err == EDQUOT || err == EFBIG)) {
		/* A limit of memory is SIGKILL or ENOMEM. */
		say_not_run("the filesystem was full before the memory was, after %llu bytes", (unsigned long long)done);
		return;
	}
	if (settings.deep && err == ENOMEM)
		say_blocked(ENOMEM, "after %llu bytes", (unsigned long long)done);
	else if (err == ENOSPC || err == EDQUOT || err == EFBIG)
		say_blocked(err, "after %llu bytes", (unsigned long long)done);
	else if (err)
		say_failed(err, "after %llu bytes", (unsigned long long)done);
	else
		say_allowed(1, "%llu bytes were written", (unsigned long long)done);
	outcome->effect = 1;
}

static void many_files(const struct check *c)
{
	char path[300];
	uint64_t n = 0, want = settings.tmpfs_inodes + 1;
	int err = 0;
	(void)c;
	if (settings.deep) {
		say_not_run("the memory that inodes take is that of bytes");
		return;
	}
	if (!settings.tmpfs_inodes || want > MOST_INODES) {
		say_not_run("needs --limits tmpfs, of less than %d inodes", MOST_INODES);
		return;
	}
	for (; n < want && !err; n++) {
		snprintf(path, sizeof(path), "%s/.safe-run-probe-%d.%llu", settings.tmpfs, (int)getpid(), (unsigned long long)n);
		int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (fd >= 0)
			close(fd);
		else
			err = errno;
	}
	if (err)
		n--;
	for (uint64_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/.safe-run-probe-%d.%llu", settings.tmpfs, (int)getpid(), (unsigned long long)i);
		unlink(path);
	}
	if (err == ENOSPC || err == EDQUOT)
		say_blocked(err, "after %llu files", (unsigned long long)n);
	else if (err)
		say_failed(err, "after %llu files", (unsigned long long)n);
	else
		say_allowed(1, "%llu files were made", (unsigned long long)n);
	outcome->effect = 1;
}

/* R04: up to the hard limit, which is the one that binds. */
static void many_descriptors(const struct check *c)
{
	struct rlimit limit;
	int n = 0, from = dup(STDOUT_FILENO);
	(void)c;
	if (from < 0) {
		say_failed(errno, "dup");
		return;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	while (n < MOST_DESCRIPTORS && dup(from) >= 0)
		n++;
	if (n < MOST_DESCRIPTORS && errno == EMFILE && settings.nofile && (uint64_t)n > settings.nofile)
		say_allowed(1, "%d descriptors, and a limit of %llu", n, (unsigned long long)settings.nofile);
	else if (n < MOST_DESCRIPTORS && errno == EMFILE)
		say_blocked(EMFILE, "after %d descriptors", n);
	else if (n < MOST_DESCRIPTORS)
		say_failed(errno, "after %d descriptors", n);
	else if (settings.nofile >= MOST_DESCRIPTORS)
		say_not_run("the limit of %llu is above the %d that it opens", (unsigned long long)settings.nofile, n);
	else
		say_allowed(1, "%d descriptors", n);
	outcome->effect = 1;
}

static long clock_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

/* How often the control group was throttled; -1 where it cannot be seen. */
static long throttled(void)
{
	static const char *const files[] = { "/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat", "/sys/fs/cgroup/cpu,cpuacct/cpu.stat" };
	char buf[2048];
	for (size_t i = 0; i < COUNT(files); i++) {
		char *at = read_file(files[i], buf, sizeof(buf)) > 0 ? strstr(buf, "nr_throttled ") : NULL;
		if (at)
			return atol(at + 13);
	}
	return -1;
}

/* spin burns a processor on n of them for a while and gives what was had. */
static long spin(int n, long *wall)
{
	long *used = shared((size_t)n * sizeof(long)), total = 0, began = clock_us(CLOCK_MONOTONIC);
	pid_t children[8];
	if (!used)
		return -1;
	for (int i = 0; i < n; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			while (clock_us(CLOCK_MONOTONIC) - began < SPIN_US)
				;
			used[i] = clock_us(CLOCK_PROCESS_CPUTIME_ID);
			_exit(0);
		}
	}
	for (int i = 0; i < n; i++)
		if (children[i] > 0)
			waitpid(children[i], NULL, 0);
	*wall = clock_us(CLOCK_MONOTONIC) - began;
	for (int i = 0; i < n; i++)
		total += used[i];
	return total;
}

/* R05: one process more than the quota has processors. Being throttled is
 * evidence; using no more than the quota allows says less on a busy machine,
 * and the numbers are in the detail. */
static void spinning(const struct check *c)
{
	long wall = 0, cpus = sysconf(_SC_NPROCESSORS_ONLN), before = throttled();
	long n = (long)(settings.millicpu / 1000) + 1;
	(void)c;
	if (!settings.millicpu) {
		say_not_run("needs --limits cpu");
		return;
	}
	if (n > cpus || n > 8) {
		say_not_run("%ld processors cannot use up a quota of %llu thousandths", cpus, (unsigned long long)settings.millicpu);
		return;
	}
	long used = spin((int)n, &wall), after = throttled();
	/* A quota is for 100 ms, and the first one may be whole at the end of the second. */
	long most = (wall + 100000) * (long)settings.millicpu / 1000;
	outcome->effect = 1;
	if (used < 0)
		say_failed(errno, "no shared memory");
	else if (before >= 0 && after > before)
		say_blocked(0, "throttled %ld times: %ld us of a processor in %ld us", after - before, used, wall);
	else if (used > most)
		say_allowed(1, "%ld us of a processor in %ld us, more than the quota", used, wall);
	else if (before >= 0)
		say_not_run("the machine is too busy to use up the quota: %ld us of a processor in %ld us", used, wall);
	else
		say_blocked(0, "%ld us of a processor in %ld us, within the quota", used, wall);
}

/* R06: what bounds it is outside. */
static void burst(const struct check *c)
{
	static char line[1024];
	size_t done = 0;
	(void)c;
	if (!settings.burst) {
		say_not_run("writes 1 MiB to standard error when --burst is given; what bounds it is outside");
		return;
	}
	memset(line, '.', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	while (done < MIB) {
		ssize_t n = write(STDERR_FILENO, line, sizeof(line));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	say_not_run("%zu bytes were written to standard error; what became of them is to be seen outside", done);
}

static void shared_segment(const struct check *c)
{
	(void)c;
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	if (id < 0 && errno == ENOSPC) {
		say_blocked(errno, "there are to be no segments");
		outcome->effect = 1;
		return;
	}
	if (!judge_real(id, access("/proc/sysvipc", F_OK) == 0 ? ALWAYS : OPTIONAL, "shmget"))
		return;
	shmctl(id, IPC_RMID, NULL);
	say_allowed(1, "a segment was made and removed");
}

static void write_root(const struct check *c)
{
	(void)c;
	int fd = open("/.safe-run-probe", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (!judge_real(fd, ALWAYS, "a file in /"))
		return;
	close(fd);
	int gone = unlink("/.safe-run-probe") == 0;
	say_allowed(gone, "a file was made in / and removed");
}

/* R02: in a child that the kernel kills first. */
static int touch(void *arg)
{
	uint64_t size = *(uint64_t *)arg;
	if (die_first())
		return 10;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return errno == ENOMEM ? 12 : 11;
	for (uint64_t at = 0; at < size; at += 4096)
		p[at] = 1;
	return 0;
}

static void much_memory(const struct check *c)
{
	uint64_t size = settings.memory + 16 * MIB;
	(void)c;
	if (!settings.memory || size > MOST_MEMORY || !room_for(size)) {
		say_not_run("needs --limits memory, of less than %llu MiB, and as much free on the host", MOST_MEMORY / MIB);
		return;
	}
	int status = in_child(touch, &size);
	outcome->effect = 1;
	if (status == -1)
		say_failed(errno, "no child");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		say_blocked(0, "killed while it touched %llu bytes", (unsigned long long)size);
		outcome->sig = SIGKILL;
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 12)
		say_blocked(ENOMEM, "mmap of %llu bytes", (unsigned long long)size);
	else if (status == 0)
		say_allowed(1, "%llu bytes were touched", (unsigned long long)size);
	else
		say_failed(0, "wait status %d", status);
}

static const struct check list[] = {
	{ "R01", "", many_children, 0, NULL, 30 },
	{ "R03", "bytes", fill, 0, NULL, 30 },
	{ "R03", "inodes", many_files, 0, NULL, 30 },
	{ "R04", "", many_descriptors, 0, NULL, 0 },
	{ "R05", "", spinning, 0, NULL, 0 },
	{ "R06", "", burst, 0, NULL, 30 },
	{ "R07", "", shared_segment, 0, NULL, 0 },
	{ "R08", "", write_root, 0, NULL, 0 },
};

const struct family resources = FAMILY(list);

/* Taking a mask off may change what is seen after it; memory may end the whole
 * container, where its control group is killed as one (memory.oom.group). */
static const struct check at_the_end[] = {
	{ "M12", "", take_mask, 0, NULL, 0 },
	{ "R02", "", much_memory, 0, NULL, 60 },
};

const struct family last = FAMILY(at_the_end);
