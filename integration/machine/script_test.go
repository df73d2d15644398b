package machine

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/vm"
)

// runTests runs test programs in a machine, as a script says, and wants at least so
// many tests to pass. What one of them says with a word of tell in it is told.
func runTests(t *testing.T, m vm.Machine, script string, least int, tell ...string) {
	t.Helper()
	m.Args = []string{"/usr/bin/busybox", "sh", "-c", script}
	m.Env = append(m.Env, "SAFE_RUN_BIN=/bin", inside+"=1")
	passed := 0
	var failed []string
	again := m.Again
	m.Again = func(why string) bool { passed = 0; return len(failed) == 0 && again(why) }
	m.Line = func(line string) {
		switch {
		case strings.HasPrefix(line, "--- PASS"):
			passed++
		case strings.HasPrefix(line, "--- FAIL"):
			failed = append(failed, line)
		}
		for _, word := range tell {
			if strings.Contains(line, word) {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
	out, err := m.Run(context.Background())
	if err != nil || out.Code != 0 || passed < least {
		t.Log(strings.Join(out.Lines, "\n"))
	}
	for _, line := range failed {
		t.Error(line) // also of a machine that died later: it is no machine that fails a test
	}
	told(t, out, err)
	if out.Code != 0 || passed < least {
		t.Errorf("exit code %d, %d tests passed, want %d", out.Code, passed, least)
	}
	t.Logf("Linux %s: %d tests passed; they began after %s, all took %s", m.Kernel.Release, passed,
		out.Boot.Round(time.Millisecond), out.Took.Round(time.Second))
}
