package machine

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/vm"
)

// chosen are the tests of package integration that say most about a kernel: what
// a container sees, how its limits and its end come about, and what is left.
const chosen = "^(TestDefaults|TestLimits|TestCauses|TestExitCodes|TestExecIsConfinedAsTheFirst|TestDenialsAlways|TestViolationKills|" +
	"TestKilledLaunchers|TestDetachedLife|TestPause|TestPublish|TestEgress|TestHealthIsConfinedAsTheFirst)$"

// TestSuite runs a part of the suite on cgroup version 2 without systemd, as the
// only thing in the machine.
func TestSuite(t *testing.T) {
	need(t)
	kernel, err := vm.Find("6.1")
	if err != nil {
		t.Fatal(err)
	}
	m := machine(t, kernel)
	m.Args = []string{"/bin/suite", "-test.v", "-test.timeout=10m", "-test.run=" + chosen}
	m.Env = []string{"SAFE_RUN_BIN=/bin"}
	passed := 0
	m.Line = func(line string) {
		switch {
		case strings.HasPrefix(line, "--- PASS"):
			passed++
		case strings.HasPrefix(line, "--- FAIL"):
			t.Error(line)
		}
	}
	out, err := m.Run(context.Background())
	if err != nil || out.Code != 0 {
		t.Log(strings.Join(out.Lines, "\n"))
	}
	told(t, err)
	if out.Code != 0 || passed < 10 {
		t.Errorf("exit code %d, %d tests passed", out.Code, passed)
	}
	t.Logf("Linux %s: %d tests passed; the suite began after %s, all took %s", kernel.Release, passed,
		out.Boot.Round(time.Millisecond), out.Took.Round(time.Second))
}
