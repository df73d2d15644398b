package machine

import (
	"context"
	"strings"
	"testing"
	"time"
)

// chosen are the tests of package integration that say most about a kernel: what
// a container sees, how its limits and its end come about, and what is left.
const chosen = "^(TestDefaults|TestLimits|TestCauses|TestExitCodes|TestExecIsConfinedAsTheFirst|TestDenialsAlways|TestViolationKills|" +
	"TestKilledLaunchers|TestDetachedLife|TestPause|TestPublish|TestEgress|TestHealthIsConfinedAsTheFirst|TestLandlockAlone|TestLandlockOfExec)$"

// few are those of them that control groups of version 2 are asked in: limits, the
// freezer, the end by too much memory.
const few = "^(TestLimits|TestCauses|TestPause)$"

// TestSuite runs a part of the suite on cgroup version 2 without systemd, as the
// only thing in the machine, and the tests of this package that are for its inside:
// the battery without any layer, and the exported profile for AppArmor.
func TestSuite(t *testing.T) {
	kernel, _ := need(t)
	m := machine(t, kernel)
	withShell(m)
	lend(t, m, "/usr/bin/ip", "ip")
	tests, least := chosen, 17
	if part() {
		tests, least = few, 5
	}
	t.Run("AppArmor", func(t *testing.T) { m.Files[armorFile] = armor(t, m.Files["/bin"]) })
	if m.Files[armorFile] == "" {
		delete(m.Files, armorFile)
		least--
	}
	m.Args = []string{"/usr/bin/busybox", "sh", "-c", "/bin/inside -test.v -test.timeout=30m -test.run=^TestInside; one=$?; " +
		"/bin/suite -test.v -test.timeout=60m -test.run='" + tests + "' && exit $one"}
	m.Env = []string{"SAFE_RUN_BIN=/bin", inside + "=1"}
	passed := 0
	again := m.Again
	var failed []string
	m.Again = func(why string) bool { passed = 0; return len(failed) == 0 && again(why) }
	m.Line = func(line string) {
		switch {
		case strings.HasPrefix(line, "--- PASS"):
			passed++
		case strings.HasPrefix(line, "--- FAIL"):
			failed = append(failed, line)
		case strings.Contains(line, withoutLayers):
			t.Log(strings.TrimSpace(line))
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
	t.Logf("Linux %s: %d tests passed; the suite began after %s, all took %s", kernel.Release, passed,
		out.Boot.Round(time.Millisecond), out.Took.Round(time.Second))
}
