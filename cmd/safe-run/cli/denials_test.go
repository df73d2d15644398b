package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// networkDenials are of a container that tried machines outside.
var networkDenials = []event.Denial{
	{Control: "network", Address: "169.254.169.254", Port: 80, Protocol: "tcp", Errno: "ECONNREFUSED", Count: 1, Severity: event.High, Meaning: "metadata", Instead: "never"},
	{Control: "network", Address: "93.184.216.34", Port: 443, Protocol: "tcp", Errno: "ECONNREFUSED", Count: 2, Severity: event.Medium, Risk: "a way out",
		Allow: []string{"network:", "  egress:", "    - {to: 93.184.216.34, ports: [443/tcp], why: ...}"}},
	{Control: "network", Address: "93.184.216.34", Port: 80, Protocol: "tcp", Count: 2, Severity: event.Medium,
		Allow: []string{"network:", "  egress:", "    - {to: 93.184.216.34, ports: [80/tcp], why: ...}"}},
	{Control: "network", Address: "10.1.1.1", Protocol: "icmp", Count: 2, Severity: event.Medium, Instead: "only without ports"},
	{Control: "network", Count: 900, Severity: event.Medium, Meaning: "more than are told apart", Instead: "find out"},
}

func TestNetworkDenials(t *testing.T) {
	for i, want := range []string{
		"denied by network: tcp to 169.254.169.254:80 was refused; metadata",
		"denied by network: tcp to 93.184.216.34:443 was refused, 2 times; it would open a way out",
		"denied by network: tcp to 93.184.216.34:80 was refused, 2 times",
		"denied by network: icmp to 10.1.1.1 was refused, 2 times",
		"denied by network, 900 times: more than are told apart",
	} {
		if got := denialLine(networkDenials[i]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got, want := allowHint(networkDenials[1]), "to allow it, in a profile: network.egress: [{to: 93.184.216.34, ports: [443/tcp], why: ...}]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if told, minor := worthTelling(sandbox.Exit{Denials: networkDenials}); len(told) != 1 || len(minor) != 0 {
		t.Errorf("of a run that went well: %+v, %q", told, minor)
	}
	if told, minor := worthTelling(sandbox.Exit{Code: 1, Denials: networkDenials}); len(told) != 5 || len(minor) != 0 {
		t.Errorf("of a run that failed: %+v, %q", told, minor)
	}
	for word, want := range map[string]int{"network": 5, "10.1.1.1": 1, "": 0} {
		list, err := onlyCalls(slices.Clone(networkDenials), []string{word})
		if (err != nil) != (want == 0) || len(list) != want {
			t.Errorf("%q: %d, %v", word, len(list), err)
		}
	}
}

// TestAllowNetwork: the destinations become rules, one an address, as many as a
// profile takes.
func TestAllowNetwork(t *testing.T) {
	many := slices.Clone(networkDenials)
	for i := range 100 {
		many = append(many, event.Denial{Control: "network", Address: "x", Allow: []string{"network:", "  egress:",
			fmt.Sprintf("    - {to: 93.184.217.%d, ports: [80/tcp], why: ...}", i)}})
	}
	for _, c := range []struct {
		list  []event.Denial
		rules int
		said  string
	}{{networkDenials, 1, "tcp to 169.254.169.254:80 cannot be allowed"}, {many, mostRules, "37 more destinations have no room"}} {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		said, err := os.Create(filepath.Join(t.TempDir(), "err"))
		if err != nil {
			t.Fatal(err)
		}
		defer said.Close()
		a := &app{std: IO{Out: out, Err: said}, format: formatTable}
		if err := a.printAllowing("web", "site", c.list); err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(out.Name())
		words, _ := os.ReadFile(said.Name())
		p, err := profiles.Decode("site.yaml", data)
		if err != nil || len(p.Network.Egress) != c.rules || len(p.Network.Egress[0].Ports) != 2 || !strings.Contains(string(words), c.said) {
			t.Errorf("%v\n%s\n%s", err, data, words)
		}
	}
}
