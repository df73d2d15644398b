package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestFloor: under the administrator's floor no profile and no flag gets looser.
func TestFloor(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	const floor = "/etc/safe-run/floor.yaml"
	if _, err := os.Lstat(floor); err == nil {
		t.Skip("this machine has a floor of its own: that a floor holds was not checked")
	}
	if _, err := os.Lstat(filepath.Dir(floor)); err != nil {
		if err := os.Mkdir(filepath.Dir(floor), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(filepath.Dir(floor)) })
	}
	text := "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: floor}\n" +
		"resources: {memory: 64MiB, pids: 40}\nprocess: {capabilities: []}\nnetwork: {mode: none}\n"
	if err := os.WriteFile(floor, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(floor) })

	loose := profile(t, bindCapability)
	for _, test := range []struct {
		flags []string
		look  string
		held  string // what the floor leaves, unless it is refused
	}{
		{[]string{"--memory", "1g"}, "alloc 100", ``},
		{[]string{"--pids-limit", "1000"}, "fork 60", `EAGAIN`},
		{loose, "status CapEff", `0{16}`},
		{[]string{"--cap-add", "NET_BIND_SERVICE"}, "status CapEff", `0{16}`},
		{[]string{"--profile", "web"}, "interfaces", `lo`},
	} {
		got := peek(t, test.flags, strings.Fields(test.look)...)
		refused := got.code == 125 && strings.Contains(got.err, "floor")
		if !refused && !whole(test.held, got.line()) {
			t.Errorf("%v under the floor, peek %s: %q (exit code %d)\n%s", test.flags, test.look, got.line(), got.code, got.err)
		}
	}
	// What is below the floor's limits is untouched.
	if got := peek(t, []string{"--memory", "32m"}, "id"); got.line() != "65532:65532" {
		t.Errorf("a run within the floor: %q (exit code %d)\n%s", got.line(), got.code, got.err)
	}
}
