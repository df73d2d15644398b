/* What an error means: a refusal, something the kernel lacks, or a mistake. */
#include "probe.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct settings settings;

static void say(enum verdict verdict, int err, const char *format, va_list args)
{
	outcome->verdict = verdict;
	outcome->err = err;
	outcome->marker = err && err == settings.marker;
	vsnprintf(outcome->detail, sizeof(outcome->detail), format, args);
	outcome->decided = 1;
}

#define SAY(name, verdict)                        \
	void name(int err, const char *format, ...)   \
	{                                             \
		va_list args;                             \
		va_start(args, format);                   \
		say(verdict, err, format, args);          \
		va_end(args);                             \
	}

SAY(say_blocked, BLOCKED)
SAY(say_absent, ABSENT)
SAY(say_failed, FAILED)

void say_allowed(int effect, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	outcome->effect = effect;
	say(ALLOWED, 0, format, args);
	va_end(args);
}

void say_not_run(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(NOT_RUN, 0, format, args);
	va_end(args);
}

int kernel_since(int since)
{
	struct utsname name;
	int major = 0, minor = 0;
	if (since == OPTIONAL)
		return 0;
	if (uname(&name) || sscanf(name.release, "%d.%d", &major, &minor) != 2)
		return 0;
	return SINCE(major, minor) >= since;
}

int is_refusal(int err)
{
	return err == EPERM || err == EACCES || err == EROFS || (settings.marker && err == settings.marker);
}

/* refused says what a refusal or a missing call is, and 0 for other errors. */
static int refused(int err, int since, const char *what)
{
	if (is_refusal(err)) {
		say_blocked(err, "%s", what);
	} else if (err == ENOSYS && kernel_since(since)) {
		say_blocked(err, "%s: this kernel has the call, a filter answers", what);
	} else if (err == ENOSYS) {
		say_absent(err, "%s", what);
	} else {
		return 0;
	}
	return 1;
}

int judge_real(long result, int since, const char *what)
{
	int err = errno;
	if (result >= 0)
		return 1;
	if (!refused(err, since, what))
		say_failed(err, "%s", what);
	return 0;
}

void judge_reach(long result, int since, const char *what)
{
	int err = errno;
	if (result >= 0) {
		say_allowed(0, "%s did not fail", what);
	} else if (!refused(err, since, what)) {
		say_allowed(1, "%s", what);
		outcome->err = err;
	}
}

#define NAME(x) { x, #x }
static const struct {
	int value;
	const char *name;
} errnos[] = {
	NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR), NAME(EIO), NAME(ENXIO), NAME(E2BIG), NAME(ENOEXEC),
	NAME(EBADF), NAME(ECHILD), NAME(EAGAIN), NAME(ENOMEM), NAME(EACCES), NAME(EFAULT), NAME(ENOTBLK), NAME(EBUSY),
	NAME(EEXIST), NAME(EXDEV), NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL), NAME(ENFILE), NAME(EMFILE),
	NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE), NAME(EROFS), NAME(EMLINK), NAME(EPIPE),
	NAME(ERANGE), NAME(EDEADLK), NAME(ENAMETOOLONG), NAME(ENOSYS), NAME(ENOTEMPTY), NAME(ELOOP), NAME(ENODATA),
	NAME(EOVERFLOW), NAME(EUSERS), NAME(ENOTSOCK), NAME(EPROTO), NAME(EBADMSG), NAME(EPROTOTYPE), NAME(ENOPROTOOPT),
	NAME(EPROTONOSUPPORT), NAME(ESOCKTNOSUPPORT), NAME(EOPNOTSUPP), NAME(EPFNOSUPPORT), NAME(EAFNOSUPPORT),
	NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(ENETDOWN), NAME(ENETUNREACH), NAME(ECONNREFUSED), NAME(EHOSTUNREACH),
	NAME(ENOBUFS), NAME(EISCONN), NAME(ENOTCONN), NAME(ETIMEDOUT), NAME(EALREADY), NAME(EINPROGRESS), NAME(ESTALE),
	NAME(EDQUOT), NAME(ENOKEY), NAME(EKEYEXPIRED), NAME(EKEYREVOKED), NAME(EKEYREJECTED), NAME(EHWPOISON),
};

const char *errno_name(int err)
{
	static char number[16];
	for (size_t i = 0; i < COUNT(errnos); i++)
		if (errnos[i].value == err)
			return errnos[i].name;
	snprintf(number, sizeof(number), "%d", err);
	return number;
}

const char *signal_name(int sig)
{
	static char name[24];
	const char *abbreviated = sigabbrev_np(sig);
	snprintf(name, sizeof(name), "SIG%s", abbreviated ? abbreviated : "?");
	return name;
}
