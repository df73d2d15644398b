package house

import (
	"testing"
)

// rule says which folders may not import what, and why. Own packages are
// written from the top of the repository.
type rule struct {
	from   []string // folders; "x/..." is x and all below
	but    []string // folders that may all the same
	never  []string // import paths
	always bool     // test files keep the rule too
	why    string
}

var rules = []rule{
	{
		from:  []string{"profiles/...", "spec/..."},
		never: []string{"os", "os/...", "net", "net/http", "syscall", "golang.org/x/sys/...", "io/ioutil"},
		why:   "policy and compiling are pure: bytes and values come in, values go out, so that the same inputs give the same plan everywhere",
	},
	{
		from:  []string{"profiles/...", "spec/..."},
		never: []string{"log", "log/...", "github.com/sirupsen/logrus", "github.com/opencontainers/runc/..."},
		why:   "what is pure has nothing to log, and knows no runtime",
	},
	{
		from:   []string{"profiles/..."},
		never:  []string{"spec", "sandbox/...", "cmd/..."},
		always: true,
		why:    "data flows down: a profile knows nothing of plans; of spec it may use the errors and the names of system calls",
	},
	{
		from:   []string{"spec/..."},
		never:  []string{"sandbox/...", "cmd/..."},
		always: true,
		why:    "data flows down: a plan knows nothing of how it is carried out",
	},
	{
		from:   []string{"sandbox/..."},
		never:  []string{"profiles/...", "cmd/..."},
		always: true,
		why:    "the sandbox sees plans, never profiles: a new policy syntax cannot change enforcement",
	},
	{
		from:   []string{"..."},
		but:    []string{"sandbox/runc", "sandbox/initproc/...", "integration/bench/bare"},
		never:  []string{"github.com/opencontainers/runc/..."},
		always: true,
		why:    "one package speaks to libcontainer, so that its upgrades touch one package; the bench's bare launcher is what we measure against",
	},
	{
		from: []string{"..."},
		// Both inits share what makes their Go runtime light.
		but:   []string{"cmd/...", "integration/...", "sandbox/initproc/..."},
		never: []string{"sandbox/initproc/..."},
		why:   "its C constructor runs before Go in whatever links it: only programs may decide that",
	},
	{
		from:   []string{"..."},
		but:    []string{"sandbox/...", "integration/..."},
		never:  []string{"golang.org/x/sys/unix"},
		always: true,
		why:    "system calls are effects, and effects are in the sandbox",
	},
	{
		from:  []string{"..."},
		but:   []string{"cmd/...", "integration/..."},
		never: []string{"flag", "github.com/spf13/..."},
		why:   "flags are read by programs; libraries take values",
	},
	{
		from: []string{"..."},
		but: []string{
			"cmd/safe-run-image/...", "sandbox/image/source/...", "sandbox/image/unpack", "sandbox/image/pull", "sandbox/image/trust",
			"sandbox/image/vuln", "sandbox/image/audit", "sandbox/image/imagetest", "integration/...",
			// containerd's protocol, which its library speaks for us; no images.
			"sandbox/shim",
		},
		never: []string{
			"github.com/google/go-containerregistry/...", "github.com/containerd/containerd/...", "go.podman.io/...",
			"github.com/sigstore/...", "net/http", "crypto/tls", "archive/tar",
		},
		why: "foreign formats and the network are read apart from the privileged launcher, which stays small",
	},
	{
		from:  []string{"sandbox/image/vuln", "sandbox/image/audit", "sandbox/image/unpack", "sandbox/image/view"},
		never: []string{"net", "net/http", "sandbox/image/pull", "sandbox/image/trust"},
		why:   "what judges and unpacks an image reads bytes that are given to it; the network is for source and trust",
	},
	{
		from:   []string{"cmd/safe-run/..."},
		never:  []string{"cmd/safe-run-image/...", "sandbox/image/source/...", "sandbox/image/pull"},
		always: true,
		why:    "two programs, two processes: the reader of foreign formats is not linked into the launcher",
	},
	{
		from:   []string{"cmd/safe-run/...", "cmd/safe-run-oci/...", "cmd/safe-run-policy/...", "cmd/policies"},
		never:  []string{"sandbox/shim"},
		always: true,
		why:    "containerd's library is for the program that containerd starts",
	},
	{
		// It is a front to sandbox/runc, as cmd/safe-run-oci is.
		from:   []string{"sandbox/shim"},
		never:  []string{"sandbox/image/...", "sandbox/ledger", "sandbox/network/...", "sandbox/probe", "sandbox/rootfs", "sandbox/service", "sandbox/state", "sandbox/volume"},
		always: true,
		why:    "a bundle comes with root and network: of the parts of the sandbox the shim knows the one that runs it",
	},
	{
		from:   []string{"..."},
		but:    []string{"cmd/safe-run-policy/...", "integration/..."},
		never:  []string{"sandbox/guard/lsm"},
		always: true,
		why:    "who switches the guard on loads programs into the kernel; the launcher marks processes, and needs no library for that",
	},
	{
		from:  []string{"..."},
		never: []string{"pgregory.net/rapid", "github.com/rogpeppe/go-internal/...", "github.com/google/go-cmp/...", "github.com/santhosh-tekuri/...", "github.com/google/cel-go/...", "github.com/compose-spec/...", "k8s.io/apiserver/...", "testing"},
		why:   "made for tests",
	},
	{
		from:   []string{"..."},
		but:    []string{"integration/..."},
		never:  []string{"integration/..."},
		always: true,
		why:    "the product does not know its tests; a test that needs them belongs in integration",
	},
}

func init() {
	// sandbox/{image,...} meet in sandbox and nowhere else.
	parts := []string{"guard", "image", "ledger", "network", "probe", "rootfs", "runc", "service", "state", "vm", "volume"}
	for _, part := range parts {
		siblings := rule{from: []string{"sandbox/" + part + "/..."}, why: "the parts of the sandbox do not know each other; they meet in sandbox"}
		for _, other := range parts {
			if other != part {
				siblings.never = append(siblings.never, "sandbox/"+other+"/...")
			}
		}
		rules = append(rules, siblings)
	}
}

// forbids says whether the rule is against an import of a file in dir.
func (r rule) forbids(dir string, test bool, imported string) bool {
	if test && !r.always {
		return false
	}
	everywhere := len(r.from) == 1 && r.from[0] == "..."
	if !everywhere && !matchesAny(r.from, dir) || matchesAny(r.but, dir) {
		return false
	}
	for _, never := range r.never {
		if matches(never, imported) || matches(module+"/"+never, imported) {
			return true
		}
	}
	return false
}

func TestImports(t *testing.T) {
	for _, source := range parsed(t) {
		for _, imported := range source.imports() {
			for _, rule := range rules {
				if rule.forbids(source.dir, source.test, imported) {
					t.Errorf("%s imports %s, but %s", source.path, imported, rule.why)
				}
			}
		}
	}
}

// TestRulesBite proves that the rules are against what they are meant for.
func TestRulesBite(t *testing.T) {
	tests := []struct {
		dir, imported string
		test, want    bool
	}{
		{dir: "spec", imported: "os", want: true},
		{dir: "spec", imported: "os", test: true},
		{dir: "spec/seccomp", imported: "os/exec", want: true},
		{dir: "spec", imported: "net/netip"},
		{dir: "profiles", imported: module + "/spec/problem"},
		{dir: "profiles", imported: module + "/spec", want: true},
		{dir: "sandbox", imported: module + "/profiles", want: true},
		{dir: "sandbox", imported: module + "/profiles", test: true, want: true},
		{dir: "sandbox", imported: module + "/sandbox/network"},
		{dir: "sandbox/image", imported: module + "/sandbox/state", want: true},
		{dir: "sandbox", imported: "github.com/opencontainers/runc/libcontainer", want: true},
		{dir: "sandbox/runc", imported: "github.com/opencontainers/runc/libcontainer"},
		{dir: "cmd/safe-run", imported: module + "/sandbox/initproc"},
		{dir: "cmd/safe-run/cli", imported: "golang.org/x/sys/unix", want: true},
		{dir: "sandbox/image", imported: "github.com/google/go-containerregistry/pkg/v1", want: true},
		{dir: "sandbox", imported: "github.com/spf13/pflag", want: true},
		{dir: "specious", imported: "os"},
	}
	for _, test := range tests {
		got := false
		for _, rule := range rules {
			got = got || rule.forbids(test.dir, test.test, test.imported)
		}
		if got != test.want {
			t.Errorf("%s importing %s (test %t): forbidden %t, want %t", test.dir, test.imported, test.test, got, test.want)
		}
	}
}
