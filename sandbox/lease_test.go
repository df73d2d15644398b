package sandbox

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/initproc"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// launcherEnv makes the test binary take a lease below the directory it names,
// say so, and wait to be killed.
const launcherEnv = "SAFE_RUN_TEST_LAUNCHER"

func TestMain(m *testing.M) {
	if root, id, ok := initproc.Warden(); ok {
		if Collect(root, id) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if root := os.Getenv(launcherEnv); root != "" {
		if _, err := Begin(root).Take("victim", testIDs); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("taken\n")
		select {}
	}
	if initproc.WardenName != WardenName || initproc.ReaperPath != spec.InitPath || initproc.PreparedPath != spec.PreparedPath {
		panic("one thing has two names")
	}
	os.Exit(m.Run())
}

var testIDs = spec.IDRange{First: 0x70000000, Count: 4 * spec.IDsPerContainer}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED without root: leases and their wardens")
	}
}

// left lists what is in a state directory beside its own folders.
func left(t *testing.T, root string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestLeaseIsGivenBack(t *testing.T) {
	needRoot(t)
	root := filepath.Join(t.TempDir(), "state")
	lease, err := Begin(root).Take("", testIDs)
	if err != nil {
		t.Fatal(err)
	}
	if lease.IDs.First != testIDs.First || lease.IDs.Count != spec.IDsPerContainer {
		t.Errorf("the first lease has the ids %+v", lease.IDs)
	}
	second, err := Begin(root).Take("", testIDs)
	if err != nil {
		t.Fatal(err)
	}
	if second.IDs.First != testIDs.First+spec.IDsPerContainer {
		t.Errorf("the second lease has the ids %+v", second.IDs)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if err := lease.Close(); err != nil {
		t.Error(err)
	}
	if paths := left(t, root); len(paths) != 0 {
		t.Errorf("left behind: %v", paths)
	}
}

func TestWardenCollectsForAKilledLauncher(t *testing.T) {
	needRoot(t)
	root := filepath.Join(t.TempDir(), "state")
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{launcherEnv + "=" + root}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "taken\n" {
		t.Fatalf("the launcher said %q, %v", line, err)
	}
	if len(left(t, root)) == 0 {
		t.Fatal("the launcher took nothing")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(5 * time.Second); len(left(t, root)) != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("5 s after the launcher was killed there still is %v", left(t, root))
		}
	}
}

func TestCollectAllLeavesTheLivingAlone(t *testing.T) {
	needRoot(t)
	root := filepath.Join(t.TempDir(), "state")
	lease, err := Begin(root).Take("living", testIDs)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Close()
	got, err := CollectAll(root)
	if err != nil || len(got) != 0 {
		t.Errorf("CollectAll = %v, %v", got, err)
	}
	if len(left(t, root)) == 0 {
		t.Error("the living lease was collected")
	}
}

// TestAbandonedLease: what could not be removed is the warden's to remove, and
// what it cannot remove either keeps its ids.
func TestAbandonedLease(t *testing.T) {
	needRoot(t)
	reason := errors.New("busy")
	for _, removable := range []bool{true, false} {
		root := filepath.Join(t.TempDir(), "state")
		lease, err := Begin(root).Take("abandoned", testIDs)
		if err != nil {
			t.Fatal(err)
		}
		if !removable {
			// A record that names another's cgroup is not followed.
			lease.record.CgroupsPath = "a:b:c:d"
			lease.record.CgroupDriver = "systemd"
			if err := lease.store.Save(lease.record); err != nil {
				t.Fatal(err)
			}
		}
		err = lease.abandon(reason)
		if removable && (err != nil || len(left(t, root)) != 0) {
			t.Errorf("the warden can remove it: %v, left %v", err, left(t, root))
		}
		if !removable && (!errors.Is(err, reason) || problem.HintOf(err) == "" || len(left(t, root)) == 0) {
			t.Errorf("the warden cannot remove it: %v, left %v", err, left(t, root))
		}
	}
}
