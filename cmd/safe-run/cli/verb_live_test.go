package cli

import (
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
)

func TestExecOptions(t *testing.T) {
	lookup := func(name string) (string, bool) { return "looked up", name == "SET" }
	file := t.TempDir() + "/env"
	if err := os.WriteFile(file, []byte("FROM=file\nSET\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := execFlags{stdin: true, env: []string{"A=1", "SET", "UNSET"}, envFiles: []string{file}, detachKeys: "ctrl-a", user: "app", workdir: "/srv"}
	o, err := f.options([]string{"c", "prog", "-x"}, lookup)
	want := []string{"FROM=file", "SET=looked up", "A=1", "SET=looked up"}
	if err != nil || o.Container != "c" || !slices.Equal(o.Request.Args, []string{"prog", "-x"}) || !slices.Equal(o.Request.Env, want) || !o.Stdin {
		t.Errorf("%+v, %v", o, err)
	}
	for name, f := range map[string]execFlags{
		"privileged": {privileged: true}, "keys": {detachKeys: "ctrl-"}, "variable": {env: []string{"=x"}}, "file": {envFiles: []string{"/nowhere"}},
	} {
		if _, err := f.options([]string{"c", "prog"}, lookup); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFindPorts(t *testing.T) {
	ports := []spec.Port{
		{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 8080, ContainerPort: 80, Protocol: "tcp"},
		{HostIP: netip.MustParseAddr("::1"), HostPort: 8081, ContainerPort: 80, Protocol: "tcp"},
		{HostPort: 5353, ContainerPort: 53, Protocol: "udp"},
	}
	for text, want := range map[string]string{
		"80": "127.0.0.1:8080 [::1]:8081", "80/tcp": "127.0.0.1:8080 [::1]:8081", "53": "", "53/udp": "0.0.0.0:5353", "80/udp": "",
	} {
		found, err := findPorts(ports, text)
		var got []string
		for _, p := range found {
			got = append(got, hostAddress(p))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "http", "80/", "80/sctp", "65536", "-1"} {
		if _, err := findPorts(ports, text); err == nil {
			t.Errorf("%q was taken for a port", text)
		}
	}
	got := bindings(ports)
	want := map[string][]inspectedPort{"80/tcp": {{"127.0.0.1", "8080"}, {"::1", "8081"}}, "53/udp": {{"0.0.0.0", "5353"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("bindings: %v", got)
	}
}

func TestChooseProcesses(t *testing.T) {
	out := "UID PID CMD\nroot 1 init of the host\n1000 22 sh -c a  b\n1000 23\nroot 221 x\n"
	heads, rows, err := chooseProcesses(out, []int{22, 23})
	if err != nil || !slices.Equal(heads, []string{"UID", "PID", "CMD"}) || len(rows) != 1 || rows[0][2] != "sh -c a b" {
		t.Errorf("%q, %q, %v", heads, rows, err)
	}
	if _, _, err := chooseProcesses("CMD\nx\n", []int{1}); err == nil {
		t.Error("without a column PID all processes of the host would be shown")
	}
}

func TestUsage(t *testing.T) {
	then := time.Unix(100, 0)
	before := runc.Counters{Read: then, CPU: time.Second}
	now := runc.Counters{
		Read: then.Add(2 * time.Second), CPU: 4 * time.Second, Memory: 96 << 20, MemoryLimit: 512 << 20,
		NetworkIn: 1250, NetworkOut: 999, BlockRead: 12_300_000, Processes: 7,
	}
	want := usageRow{CPUPerc: "150.00%", MemUsage: "96MiB / 512MiB", MemPerc: "18.75%", NetIO: "1.25kB / 999B", BlockIO: "12.3MB / 0B", PIDs: "7"}
	if got := usage(before, now); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	now.MemoryLimit = 0
	if got := usage(runc.Counters{}, now); got.CPUPerc != "--" || got.MemPerc != "--" || got.MemUsage != "96MiB / --" {
		t.Errorf("a first look, without a limit: %+v", got)
	}
}
