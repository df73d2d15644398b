package machine

import "testing"

// chosen are the tests of package integration that say most about a kernel: what
// a container sees, how its limits and its end come about, and what is left.
const chosen = "^(TestDefaults|TestLimits|TestCauses|TestExitCodes|TestExecIsConfinedAsTheFirst|TestDenialsAlways|TestViolationKills|" +
	"TestKilledLaunchers|TestDetachedLife|TestPause|TestPublish|TestEgress|TestHealthIsConfinedAsTheFirst|TestLandlockAlone|TestLandlockOfExec)$"

// few are those of them that control groups of version 2 are asked in: limits, the
// freezer, the end by too much memory.
const few = "^(TestLimits|TestCauses|TestPause)$"

// TestSuite runs a part of the suite on cgroup version 2 without systemd, as the
// only thing in the machine, and the tests of this package that are for its inside:
// the battery without any layer, the exported profile for AppArmor, and the guard.
func TestSuite(t *testing.T) {
	kernel, _ := need(t)
	t.Parallel()
	m := machine(t, kernel)
	withShell(m)
	lend(t, m, "/usr/bin/ip", "ip")
	tests, least := chosen, 18
	if part() {
		tests, least = few, 6
	}
	t.Run("AppArmor", func(t *testing.T) { m.Files[armorFile] = armor(t, m.Files["/bin"]) })
	if m.Files[armorFile] == "" {
		delete(m.Files, armorFile)
		least--
	}
	listChosen(t, tests)
	runTests(t, m, "/bin/inside -test.v -test.timeout=30m -test.run=^TestInside; one=$?; "+
		"/bin/suite -test.v -test.timeout=60m -test.run='"+tests+"' && exit $one", least, withoutLayers)
}
