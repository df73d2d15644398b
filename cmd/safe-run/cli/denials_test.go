package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/spec/event"
)

var someDenials = []event.Denial{
	{Control: "seccomp", Syscall: "mount", Errno: "EPERM", Process: "sh\x1b[2J\"", Pid: 7, Count: 3, Severity: event.High, Risk: "mounts",
		Allow: []string{"seccomp:", "  allow:", "    - {name: mount, why: ...}", "process:", "  capabilities:", "    - {name: SYS_ADMIN, why: ...}"}},
	{Control: "seccomp", Syscall: "socket", Arguments: []string{"family AF_ALG"}, Errno: "EAFNOSUPPORT", Process: "app", Pid: 8, Count: 1,
		Severity: event.Medium, Allow: []string{"seccomp:", "  addressFamilies:", "    - {name: AF_ALG, why: ...}"}},
	{Control: "seccomp", Syscall: "chown", Errno: "EPERM", Process: "app", Count: 1, Severity: event.Low,
		Allow: []string{"seccomp:", "  allow:", "    - {name: chown, why: ...}", "process:", "  capabilities:", "    - {name: CHOWN, why: ...}"}},
	{Control: "seccomp", Syscall: "clone", Arguments: []string{"flag CLONE_NEWUSER"}, Errno: "EPERM", Count: 1, Severity: event.High, Instead: "leave it"},
}

func TestDenialLine(t *testing.T) {
	if got, want := denialLine(someDenials[0]), "denied by seccomp: mount failed with EPERM in sh\x1b[2J\" (pid 7), 3 times; it would open mounts"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := allowHint(someDenials[0]), "to allow it, in a profile: seccomp.allow: [{name: mount, why: ...}] and process.capabilities: [{name: SYS_ADMIN, why: ...}]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := denialLine(event.Denial{Control: "pids", Count: 2, Meaning: "too many"}), "denied by the limit of pids, 2 times: too many"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := allowHint(event.Denial{Allow: []string{"resources:", "  memory: 1GiB"}}), "to allow it, in a profile: resources.memory: 1GiB"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := allowHint(someDenials[3]); got != "leave it" {
		t.Errorf("%q", got)
	}
}

// TestWorthTelling: a run that went well tells of signs of an attack alone; one
// that failed also of what may be why.
func TestWorthTelling(t *testing.T) {
	for _, c := range []struct {
		exit        sandbox.Exit
		told, minor int
	}{
		{sandbox.Exit{Denials: someDenials}, 2, 0},
		{sandbox.Exit{Code: 1, Denials: someDenials}, 3, 1},
		{sandbox.Exit{Code: 143, Requested: true, Denials: someDenials}, 2, 0},
		{sandbox.Exit{Code: 1}, 0, 0},
	} {
		if told, minor := worthTelling(c.exit); len(told) != c.told || len(minor) != c.minor {
			t.Errorf("code %d: %d and %d, want %d and %d", c.exit.Code, len(told), len(minor), c.told, c.minor)
		}
	}
}

// TestTellDenials: names that processes chose cannot reach the terminal.
func TestTellDenials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "err")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tellDenials(f, someDenials, []string{"chown"})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(string(text), 0x1b) || !strings.Contains(string(text), `sh\x1b[2J"`) || !strings.Contains(string(text), "which may be why: chown") {
		t.Errorf("%s", text)
	}
}

func TestPrintAllowing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	a := &app{std: IO{Out: out, Err: null}, format: formatTable}
	if err := a.printAllowing("web", "site", someDenials); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Decode("site.yaml", data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if p.Metadata.Name != "site" || len(p.Extends) != 1 || p.Extends[0] != "web" || len(p.Seccomp.Allow) != 2 || len(p.Process.Capabilities) != 2 || len(p.Seccomp.AddressFamilies) != 1 {
		t.Errorf("%s", data)
	}
	if err := a.printAllowing("web", "site", someDenials[3:]); err == nil {
		t.Error("a profile that allows nothing was printed")
	}
	limit := []event.Denial{{Control: "memory", Count: 1, Allow: []string{"resources:", "  memory: 1GiB"}}}
	if err := a.printAllowing("web", "site", limit); err != nil {
		t.Errorf("what a limit refused: %v", err)
	}
	hostile := []event.Denial{{Control: "kernel", Syscall: "openat", Process: `"} #`,
		Allow: []string{"mounts:", "  tmpfs:", `    - {path: "/x/why: ...", size: 16MiB}`}}}
	if err := a.printAllowing("web", "site", append(hostile, limit...)); err != nil {
		t.Errorf("beside a path that looks like a reason: %v", err)
	}
	if got := allowDocument(hostile[0]); !strings.Contains(got, `{path: "/x/why: ...", size: 16MiB}`) {
		t.Errorf("a path was changed: %s", got)
	}
	if _, err := onlyCalls(someDenials, []string{"bpf"}); err == nil {
		t.Error("a call that was not refused was found")
	}
}
