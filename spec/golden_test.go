package spec_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec"
)

var update = flag.Bool("update", false, "write golden files")

// TestGoldenPlans shows what every built-in profile becomes on two hosts. The
// filter is in a file of its own, where it can be read.
func TestGoldenPlans(t *testing.T) {
	hosts := map[string]spec.Host{"cgroup-v1": hostV1(), "cgroup-v2": hostV2()}
	for _, profile := range builtin.Names() {
		for name, host := range hosts {
			t.Run(profile+"-"+name, func(t *testing.T) {
				in := input(t, profile)
				in.Host = host
				in.Request.Binds = []spec.Bind{{
					Source: "/srv/app", Target: "/data", IsDir: true, OwnerUID: 1000, OwnerGID: 1000, Flag: "-v /srv/app:/data",
				}}
				if in.Profile.Network.Mode != nil && *in.Profile.Network.Mode == "bridge" {
					in.Request.Publish = []spec.Port{{
						HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 8080, ContainerPort: 8080, Protocol: "tcp",
					}}
				}
				in.Request.Terminal = profile == "shell"
				plan := compile(t, in)
				golden(t, filepath.Join("filters", profile+"-"+host.Arch+".txt"), filterText(plan.OCI.Linux.Seccomp))
				plan.OCI.Linux.Seccomp = nil
				golden(t, filepath.Join("plans", profile+"-"+name+".json"), marshal(t, plan))
			})
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// filterText writes a filter for people.
func filterText(f *specs.LinuxSeccomp) []byte {
	var b bytes.Buffer
	allowed := map[string]bool{}
	for _, s := range f.Syscalls {
		for _, name := range s.Names {
			allowed[name] = allowed[name] || s.Action == specs.ActAllow
		}
	}
	count := 0
	for _, yes := range allowed {
		if yes {
			count++
		}
	}
	fmt.Fprintf(&b, "%s errno %d, %v, %v\n%d system calls allowed\n", f.DefaultAction, *f.DefaultErrnoRet, f.Architectures, f.Flags, count)
	for _, s := range f.Syscalls {
		fmt.Fprintf(&b, "%s", s.Action)
		if s.ErrnoRet != nil {
			fmt.Fprintf(&b, " errno %d", *s.ErrnoRet)
		}
		if len(s.Args) == 0 {
			fmt.Fprintf(&b, "\n  %s\n", strings.Join(s.Names, "\n  "))
			continue
		}
		fmt.Fprintf(&b, " %s", strings.Join(s.Names, " "))
		for _, a := range s.Args {
			fmt.Fprintf(&b, " arg%d&%#x==%#x", a.Index, a.Value, a.ValueTwo)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run: go test ./spec -update", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what Compile gives; look at: go test ./spec -update && git diff\n%s", path, firstDifference(got, want))
	}
}

func firstDifference(got, want []byte) string {
	a, b := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d: got %s, want %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

// TestSameInputSameBytes: nothing in a plan depends on the order of a map.
func TestSameInputSameBytes(t *testing.T) {
	in := input(t, "worker")
	in.Request.Labels = map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}
	first := marshal(t, compile(t, in))
	for range 20 {
		if !bytes.Equal(first, marshal(t, compile(t, in))) {
			t.Fatal("two plans of the same input differ")
		}
	}
}

// TestFilterSizes keeps the promise of how few system calls the built-in
// profiles leave. Docker's default leaves 309 on x86-64.
func TestFilterSizes(t *testing.T) {
	most := map[string]int{"batch": 151, "default": 157, "web": 160, "worker": 161, "db": 187, "shell": 219}
	for _, profile := range builtin.Names() {
		text := string(filterText(compile(t, input(t, profile)).OCI.Linux.Seccomp))
		var n int
		if _, err := fmt.Sscanf(strings.SplitN(text, "\n", 3)[1], "%d", &n); err != nil {
			t.Fatal(err)
		}
		if n > most[profile] || n < 100 {
			t.Errorf("%s allows %d system calls, promised are %d", profile, n, most[profile])
		}
	}
}
