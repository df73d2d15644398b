package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/vm"
)

// underContainerd are the tests of package containerd that are asked in a machine:
// those of a container's life, of pods, of profiles and of what is killed. Not there:
// the benchmark and the tests of sizes, of what install writes and of deployments,
// which have nothing of a kernel's in them, and the suites of others, which take
// half an hour where nothing is emulated.
const underContainerd = "^(TestLife|TestSnapshot|TestExitCodes|TestExec|TestTerminal|TestStdio|TestEvents|TestOOM|TestKeptSignal|TestShimCgroup|" +
	"TestPod|TestPodRefused|TestPodUserNamespace|TestPodEgress|TestEgress|TestEgressAlone|TestDenialsTold|TestDenialsOfPods|TestViolationKills|" +
	"TestRefused|TestStripped|TestConfined|TestProfileNamed|TestAppArmor|TestPausedExec|TestSharedPids|TestTakenGroup|TestBecomes|TestDeleteAnswered|" +
	"TestKills|TestRestart|TestMany|TestFullFifo|TestVanishedBundle|TestKilledWhileMade|TestForgotten|TestOlder|TestOlderPolicy)$"

// fewUnderContainerd are for Debian's containerd, which nobody has to build.
const fewUnderContainerd = "^(TestOlder|TestOlderPolicy)$"

// containerdVersion is integration/containerd/build.sh's.
const containerdVersion = "2.4.2"

// withContainerd gives a machine the tests of package containerd and both
// containerds: that which is built through Go modules in /bin, unless only a part is
// asked for, and Debian's in /usr/bin.
func withContainerd(t *testing.T, m vm.Machine) {
	t.Helper()
	dir := t.TempDir()
	if !part() {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		tools := filepath.Join(cache, "safe-run", "containerd-"+containerdVersion)
		if out, err := exec.Command("../containerd/build.sh", tools).CombinedOutput(); err != nil {
			t.Skipf("NOT CHECKED: the shim in a machine: containerd could not be built: %v\n%s", err, out)
		}
		for _, name := range []string{"containerd", "ctr"} {
			m.Files["/bin/"+name] = filepath.Join(tools, name)
		}
	}
	suite := filepath.Join(dir, "shimsuite")
	build := exec.Command("go", "test", "-c", "-trimpath", "-tags", tags, `-ldflags=-s -w -extldflags "-static"`, "-o", suite, "../containerd")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.Files["/bin/shimsuite"] = suite
	for at, program := range map[string]string{
		"/usr/bin/ip": "ip", "/usr/bin/script": "script", "/usr/bin/containerd": "/usr/bin/containerd", "/usr/bin/ctr": "/usr/bin/ctr",
		"/usr/lib/cni/ptp": "/usr/lib/cni/ptp", "/usr/lib/cni/host-local": "/usr/lib/cni/host-local", "/usr/lib/cni/loopback": "/usr/lib/cni/loopback",
	} {
		lend(t, m, at, program)
	}
	// Pods get these two from their host.
	for name, text := range map[string]string{"hosts": "127.0.0.1 localhost\n", "resolv.conf": "nameserver 127.0.0.1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		m.Files["/etc/"+name] = filepath.Join(dir, name)
	}
}

// TestShim runs the tests of the shim under containerd on cgroup version 2, with
// AppArmor, as a root who may raise limits, and those of Landlock alone on the
// newer kernel.
func TestShim(t *testing.T) {
	_, kernel := need(t)
	t.Parallel()
	m := machine(t, kernel)
	withShell(m)
	withContainerd(t, m)
	tests, least := underContainerd, strings.Count(underContainerd, "Test")+2
	if part() {
		tests, least = fewUnderContainerd, 4
	}
	m.Env = []string{"SAFE_RUN_SHIM_ROUNDS=6"} // of what is done at random: a round takes seconds
	t.Run("AppArmor", func(t *testing.T) { m.Files[armorFile] = armor(t, m.Files["/bin"]) })
	if m.Files[armorFile] == "" {
		delete(m.Files, armorFile)
		least--
	} else {
		m.Env = append(m.Env, "SAFE_RUN_APPARMOR="+armorFile+":"+armorName)
	}
	runTests(t, m, "/bin/suite -test.v -test.timeout=30m -test.run='^(TestLandlockAlone|TestLandlockOfExec)$'; one=$?; "+
		"/bin/shimsuite -test.v -test.timeout=60m -test.run='"+tests+"' && exit $one", least, "NOT CHECKED")
}
