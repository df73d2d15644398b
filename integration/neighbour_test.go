package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
)

// neighbourProgram looks for processes that have fewer filters than it has, and
// tries what would let it change them: their memory, descriptors, program and
// environment. Once they have their filters and run the container's program, all
// that opens.
const neighbourProgram = `#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static volatile sig_atomic_t over;
static void end(int sig) { (void)sig; over = 1; }
static int filters(const char *pid) {
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	int fd = open(path, O_RDONLY), n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0) close(fd);
	text[n > 0 ? n : 0] = 0;
	char *at = strstr(text, "Seccomp_filters:");
	return at ? atoi(at + 16) : -1;
}
int main(int argc, char **argv) {
	if (argc > 1) { usleep(3000); return 0; }
	long seen = 0, others = 0, reached = 0, breached = 0;
	int mine = filters("self");
	signal(SIGTERM, end);
	puts("ready"); fflush(stdout);
	while (!over) {
		DIR *all = opendir("/proc");
		for (struct dirent *e; (e = readdir(all));) {
			int had = atoi(e->d_name) > 1 ? filters(e->d_name) : -1;
			if (had < 0) continue;
			had < mine ? seen++ : others++;
			static const char *files[] = {"mem", "fd/0", "fd/3", "fd/8", "exe", "environ", "cwd", "map_files"};
			for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
				char path[64];
				snprintf(path, sizeof(path), "/proc/%s/%s", e->d_name, files[i]);
				int fd = open(path, i == 0 ? O_RDWR : O_RDONLY | O_NONBLOCK);
				if (fd < 0) continue;
				int now = filters(e->d_name);
				close(fd);
				if (now >= mine) reached++;
				if (now >= 0 && now < mine) { breached++; printf("%s of a process with %d filters\n", path, now); }
			}
		}
		closedir(all);
	}
	printf("of %ld with its filters %ld were reached, of %ld without %ld\n", others, reached, seen, breached);
	return 0;
}`

// TestExecNeighbour: while further processes join, those of the container see
// them before they have their filter, and cannot reach them.
func TestExecNeighbour(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	program, err := os.ReadFile(compiled(t, neighbourProgram))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "neighbour"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("neighbour-%d", os.Getpid())
	r, line := begin(t, launcher(t, "--name", name, "dir:"+root, "/neighbour"))
	if line != "ready" {
		t.Fatal(line)
	}
	for range 60 {
		if got := safeRun(t, "exec", name, "/neighbour", "joined"); got.code != 0 {
			t.Fatalf("exit code %d\n%s", got.code, got.err)
		}
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	got := r.wait()
	var others, reached, seen, breached int
	last := got.out[strings.LastIndexByte(got.out, '\n')+1:]
	if _, err := fmt.Sscanf(last, "of %d with its filters %d were reached, of %d without %d", &others, &reached, &seen, &breached); err != nil {
		t.Fatalf("%v: %s", err, got.out)
	}
	if seen == 0 || reached == 0 {
		t.Errorf("nothing was tried, or it cannot succeed: %s", last)
	}
	if breached > 0 {
		t.Error(got.out)
	}
	t.Log(last)
}
