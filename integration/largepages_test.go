package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestLargePages: the heap of a launcher is on large pages, and that of a process
// which stays beside its container, and gives back what it does not need, is not.
func TestLargePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("NOT CHECKED: the heap on large pages: this kernel has none")
	}
	y := newYard(t)
	id := y.detach(t, []string{"--name", "stays"}, "sleep", "300")
	if n := advised(t, y.supervisorOf(t, id)); n != 0 {
		t.Errorf("a supervisor has %d mappings that are to have large pages", n)
	}
	cmd := y.launch(t, "logs", "-f", "stays")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	until(t, func() bool { return advised(t, cmd.Process.Pid) > 0 })
}

// advised counts the mappings of a process for which it asked for large pages.
func advised(t *testing.T, pid int) (n int) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && strings.Contains(flags, " hg") {
			n++
		}
	}
	return n
}
