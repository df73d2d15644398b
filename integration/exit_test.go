package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestExitCodes: the program's own code is ours, and where it is not the
// program's, the last line says why.
func TestExitCodes(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	image := "dir:" + built(t).root
	tests := []struct {
		name string
		args []string
		code int
		says []string // in standard error
	}{
		{"success", []string{image, "/peek", "exit", "0"}, 0, nil},
		{"the program's own", []string{image, "/peek", "exit", "42"}, 42, nil},
		{"a code above 128", []string{image, "/peek", "exit", "200"}, 200, nil},
		{"no such program", []string{image, "/nothing"}, 127, []string{"/nothing", "hint:"}},
		{"no such program on PATH", []string{image, "nothing"}, 127, []string{"nothing"}},
		{"not executable", []string{image, "/text"}, 126, []string{"/text"}},
		{"a directory", []string{image, "/open"}, 126, []string{"/open"}},
		{"killed by a signal under an init", []string{"--init", image, "/peek", "kill", "SIGTERM"}, 143, nil},
		{"no such image", []string{"dir:/no/such/tree", "/peek"}, 125, []string{"/no/such/tree", "hint:"}},
		{"no command", []string{image}, 125, []string{"hint:"}},
		{"no such profile", []string{"--profile", "wbe", image, "/peek"}, 125, []string{"wbe", "web", "hint:"}},
		{"no such flag", []string{"--memroy", "1g", image, "/peek"}, 125, []string{"memroy"}},
		{"out of memory", []string{"--memory", "64m", image, "/peek", "alloc", "100"}, 137, []string{"out of memory", "limit 64 MiB", "peak 6", "hint:", "--memory"}},
		{"out of processes", []string{"--pids-limit", "20", image, "/peek", "fork", "60"}, 0, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := safeRun(t, test.args...)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d\n%s", got.code, test.code, got.err)
			}
			for _, words := range test.says {
				if !strings.Contains(got.err, words) {
					t.Errorf("standard error says nothing of %q:\n%s", words, got.err)
				}
			}
			if test.says == nil && got.code < 125 && got.err != "" {
				t.Errorf("wanted silence on standard error, got:\n%s", got.err)
			}
			if strings.Contains(got.err, "goroutine ") || strings.Contains(got.err, ".go:") {
				t.Errorf("a stack trace reached the user:\n%s", got.err)
			}
		})
	}
}

// TestCauses: what killed the program is told truly.
func TestCauses(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	t.Run("too many processes", func(t *testing.T) {
		got := peek(t, []string{"--pids-limit", "20"}, "failfork", "60")
		if got.code != 1 || !strings.Contains(got.err, "pids limit (20)") {
			t.Errorf("exit code %d, want 1 and the pids limit as the cause:\n%s", got.code, got.err)
		}
	})
	t.Run("killed from the host", func(t *testing.T) {
		r, _ := start(t, nil, "sleep", "1m")
		if err := syscall.Kill(inside(t, r), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		got := r.wait()
		if got.code != 137 || !strings.Contains(got.err, "signal 9") || strings.Contains(got.err, "memory") {
			t.Errorf("exit code %d, want 137 and signal 9 as the cause:\n%s", got.code, got.err)
		}
	})
	for name, call := range foreignCalls {
		t.Run("killed by seccomp, "+name, func(t *testing.T) {
			if runtime.GOARCH != "amd64" {
				t.Skip("this architecture has no such calls: that the cause is told was not checked")
			}
			got := safeRun(t, compiled(t, fmt.Sprintf(foreignProgram, call)))
			if got.code != 159 || !strings.Contains(got.err, "seccomp") {
				t.Errorf("exit code %d, want 159 and seccomp as the cause:\n%s", got.code, got.err)
			}
		})
	}
}

// foreignCalls ask for the process's number by the other ways into the kernel.
var foreignCalls = map[string]string{
	"32-bit": `__asm__ volatile("int $0x80" : "=a"(number) : "a"(20))`,
	"x32":    `number = syscall(0x40000000 + 39)`,
}

// foreignProgram makes such a call in one thread while another waits: it must
// end all the same, and not hang.
const foreignProgram = `#include <pthread.h>
#include <unistd.h>
static void *call(void *unused) { int number; %s; (void)number; return unused; }
int main(void) { pthread_t thread; pthread_create(&thread, NULL, call, NULL); sleep(60); return 0; }`

// compiled makes a static program from C, for what Go's runtime cannot show.
func compiled(t *testing.T, text string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("gcc is not installed: what only a program in C can show was not checked")
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "program.c"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-static", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return program
}

// inside finds the first process of a running container, as the host counts.
func inside(t *testing.T, r *running) int {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range descendants(t, r.cmd.Process.Pid) {
		space, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns/pid"))
		if err == nil && space != home {
			return pid
		}
	}
	t.Fatalf("the launcher %d has no container below it", r.cmd.Process.Pid)
	return 0
}

// descendants gives the processes below pid, parents first.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for _, stat := range stats {
		data, _ := os.ReadFile(stat) // it may have ended
		// PID (NAME) STATE PARENT; the name may hold anything.
		end := strings.LastIndex(string(data), ")")
		if fields := strings.Fields(string(data[end+1:])); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
			children[parent] = append(children[parent], child)
		}
	}
	all := children[pid]
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}
