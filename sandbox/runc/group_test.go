package runc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/cgroups"
)

// TestKillEnds: what cannot be killed is an error, in time.
func TestKillEnds(t *testing.T) {
	cgroups.TestMode = true // a directory of files is taken for a control group
	defer func() { cgroups.TestMode = false }()
	g := &group{path: t.TempDir()}
	procs := filepath.Join(g.path, "cgroup.procs")
	// No number of a process is as high (PID_MAX_LIMIT).
	if err := os.WriteFile(procs, []byte("2000000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	killed := make(chan error, 1)
	go func() { killed <- g.kill(20 * time.Millisecond) }()
	select {
	case err := <-killed:
		if err == nil || !strings.Contains(err.Error(), "1 of them are left") {
			t.Errorf("one that cannot be killed: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("killing does not end")
	}
	if err := os.WriteFile(procs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.kill(time.Minute); err != nil {
		t.Errorf("an empty one: %v", err)
	}
}
