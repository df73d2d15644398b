package runc

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestStartField(t *testing.T) {
	const rest = " S 1 7 7 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 4711 0"
	for stat, want := range map[string]uint64{"7 (sh)" + rest: 4711, "7 (a) S 9 (b)" + rest: 4711, "7 (sh) S 1": 0, "": 0} {
		if got, err := startField(stat); got != want || (err != nil) != (want == 0) {
			t.Errorf("startField(%q) = %d, %v", stat, got, err)
		}
	}
	own, err := startOf(os.Getpid())
	if err != nil || own == 0 {
		t.Errorf("of this process: %d, %v", own, err)
	}
}

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]syscall.Signal{"TERM": syscall.SIGTERM, "sigkill": syscall.SIGKILL, "9": syscall.SIGKILL, "SIGRTMIN": 0, "x": 0, "": 0} {
		got, err := ParseSignal(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("ParseSignal(%q) = %v, %v", text, got, err)
		}
	}
}

func TestWeighAndThrottle(t *testing.T) {
	weight := uint16(300)
	list := []*cgroups.WeightDevice{cgroups.NewWeightDevice(8, 0, 100, 50)}
	changed := weigh(list, specs.LinuxWeightDevice{Weight: &weight})
	if len(changed) != 2 || changed[1].Weight != 300 {
		t.Errorf("another device: %+v", changed)
	}
	d := specs.LinuxWeightDevice{Weight: &weight}
	d.Major = 8
	changed = weigh(list, d)
	if len(changed) != 1 || changed[0].Weight != 300 || changed[0].LeafWeight != 50 || list[0].Weight != 100 {
		t.Errorf("the same device: %+v, before %+v", changed[0], list[0])
	}
	rates := throttle(nil, specs.LinuxThrottleDevice{Rate: 7})
	rates = throttle(rates, specs.LinuxThrottleDevice{Rate: 9})
	if len(rates) != 1 || rates[0].Rate != 9 {
		t.Errorf("rates %+v", rates)
	}
}

func TestUpdateCPU(t *testing.T) {
	quota, period, zero := int64(5000), uint64(10000), int64(0)
	have := cgroups.Resources{CpuQuota: 1, CpuPeriod: 2}
	updateCPU(&have, &specs.LinuxCPU{Quota: &quota})
	if have.CpuQuota != 5000 || have.CpuPeriod != 2 {
		t.Errorf("a quota alone: %+v", have)
	}
	updateCPU(&have, &specs.LinuxCPU{Period: &period, Idle: &zero})
	if have.CpuQuota != 5000 || have.CpuPeriod != 10000 || have.CpuShares != 0 || have.CPUIdle == nil {
		t.Errorf("a period alone: %+v", have)
	}
}

// recorded writes the state of a container whose first process has this number
// and began then.
func recorded(t *testing.T, pid int, started uint64) *Bundle {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "c")
	state := map[string]any{
		"id": "c", "init_process_pid": pid, "init_process_start": started,
		"config": map[string]any{
			"cgroups":    map[string]any{"path": "/none", "Resources": map[string]any{}},
			"namespaces": []map[string]any{{"type": "NEWPID"}}, "labels": []string{"bundle=/b", "a=b"},
		},
	}
	data, err := json.Marshal(state)
	if err = errors.Join(err, os.Mkdir(dir, 0o711), os.WriteFile(filepath.Join(dir, "state.json"), data, 0o600)); err != nil {
		t.Fatal(err)
	}
	b, err := Bundles{Root: root}.Load("c")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReusedNumber: a process that has the number of one that has ended is not
// signalled, and the container is stopped.
func TestReusedNumber(t *testing.T) {
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_, _ = other.Process.Wait()
	}()
	started, err := startOf(other.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	b := recorded(t, other.Process.Pid, started+1)
	if err := b.Signal(syscall.SIGKILL); !errors.Is(err, ErrNotRunning) {
		t.Errorf("signalled another's process: %v", err)
	}
	if status, err := b.Status(); err != nil || status != Stopped {
		t.Errorf("status %s, %v", status, err)
	}
	state, err := b.State()
	if err != nil || state.Pid != 0 || state.Bundle != "/b" || state.Annotations["a"] != "b" {
		t.Errorf("state %+v, %v", state, err)
	}
	// The same process under its own beginning is signalled.
	own := recorded(t, other.Process.Pid, started)
	if err := own.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if status, _ := own.Status(); status == Stopped {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it was not killed")
}

func TestNoProcess(t *testing.T) {
	for _, pid := range []int{0, -1, 1 << 22} {
		if err := recorded(t, pid, 7).Signal(syscall.SIGKILL); !errors.Is(err, ErrNotRunning) {
			t.Errorf("pid %d: %v", pid, err)
		}
	}
}

func TestJoinsHost(t *testing.T) {
	oci := &specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
		{Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace, Path: "/proc/self/ns/net"}, {Type: specs.UTSNamespace, Path: "/proc/self/ns/ipc"},
	}}}
	got, err := JoinsHost(oci)
	if err != nil || len(got) != 1 || got[0] != specs.NetworkNamespace {
		t.Errorf("got %v, %v", got, err)
	}
	oci.Linux.Namespaces[1].Path = "/none"
	if _, err := JoinsHost(oci); err == nil {
		t.Error("a namespace that is not there")
	}
}

func TestLoadRefuses(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(root, "big"), 0o711), os.WriteFile(filepath.Join(root, "big", "state.json"), nil, 0o600),
		os.Truncate(filepath.Join(root, "big", "state.json"), maxState+1)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"big", "a/b", "..", "", "a b", "none"} {
		if _, err := (Bundles{Root: root}).Load(id); err == nil {
			t.Errorf("%q was loaded", id)
		}
	}
}
