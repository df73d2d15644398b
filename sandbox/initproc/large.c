/*
 * The heap of a launch on large pages. A launch touches seven hundred pages of its
 * heap, once each, and every first touch is a fault: together a twentieth of its
 * time. On pages of two megabytes they are three. That is for who is over soon: a
 * process that stays could not give parts of them back.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE ((size_t)2 << 20)
/* What Go maps of its heap at a time (runtime, pallocChunkPages). */
#define CHUNK ((size_t)4 << 20)

/* An order is a power of two of pages of 4096 bytes. */
#define LARGE_ORDER 9
/* How many large pages must be free, lest the kernel makes one by moving others. */
#define PLENTY 64

static int wanted;

/*
 * Counts the free pages of two megabytes that the kernel has at hand
 * (proc_buddyinfo(5)): a column for each order, after the name of the zone.
 */
static unsigned long at_hand(void)
{
	static char text[16 << 10];
	unsigned long found = 0;
	int fd = open("/proc/buddyinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		char *column = strstr(line, "zone");
		if (column == NULL)
			continue;
		column += strlen("zone");
		column += strspn(column, " ");
		column += strcspn(column, " ");
		for (int order = 0; *column != 0; order++) {
			char *end;
			unsigned long free_here = strtoul(column, &end, 10);
			if (end == column)
				break;
			if (order >= LARGE_ORDER)
				found += free_here << (order - LARGE_ORDER);
			column = end;
		}
	}
	return found;
}

extern void *__real_mmap(void *, size_t, int, int, int, off_t);

/* Go's runtime maps its memory through C where it is linked with C. */
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *p = __real_mmap(at, size, prot, flags, fd, offset);
	if (wanted && p != MAP_FAILED && size == CHUNK && prot == (PROT_READ | PROT_WRITE) &&
	    flags == (MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS) && (uintptr_t)p % LARGE == 0)
		madvise(p, size, MADV_HUGEPAGE);
	return p;
}

__attribute__((constructor)) static void large(int argc, char **argv)
{
	if (argc < 2 || argv == NULL || argv[0] == NULL || argv[1] == NULL)
		return;
	/* Flags may stand before the verb. */
	for (int i = 1; i < argc && argv[i] != NULL && strcmp(argv[i], "run") != 0; i++)
		if (strcmp(argv[i], "pool") == 0)
			return;
	const char *base = strrchr(argv[0], '/');
	/* Who stays has a name of its own, and so has the container's init. */
	if (strcmp(base != NULL ? base + 1 : argv[0], "safe-run") != 0 || getenv("_LIBCONTAINER_INITPIPE") != NULL)
		return;
	wanted = sysconf(_SC_PAGESIZE) == 4096 && at_hand() >= PLENTY;
}
