package integration

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the launcher's packages do before main, at most. It is done twice for a
// launch, and once for each exec, each supervisor and each collecting warden. Time
// is noise; packages and allocations are the same in each run but for a handful
// that depend on the host.
const (
	maxInits      = 120
	maxInitAllocs = 900
	maxInitBytes  = 128 << 10
	// Of one package: a pattern that is compiled takes several hundred.
	maxPackageAllocs = 100
)

// initsAllowed are the packages that may make more, and why.
var initsAllowed = map[string]string{
	"go.yaml.in/yaml/v3": "two patterns and a table; whoever names a profile of his own has it parsed",
}

// initLine is one line of GODEBUG=inittrace=1 (go doc runtime).
var initLine = regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, \S+ ms clock, (\d+) bytes, (\d+) allocs$`)

// TestInits holds what happens before main to a budget.
func TestInits(t *testing.T) {
	p := built(t)
	cmd := exec.Command(p.safeRun, "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	var most []string
	packages, allocs, bytes := 0, 0, 0
	for _, m := range initLine.FindAllStringSubmatch(said.String(), -1) {
		var b, a int
		if _, err := fmt.Sscan(m[2]+" "+m[3], &b, &a); err != nil {
			t.Fatal(err)
		}
		packages, allocs, bytes = packages+1, allocs+a, bytes+b
		if a > maxPackageAllocs && initsAllowed[m[1]] == "" {
			t.Errorf("%s allocates %d times before main, more than %d: make it when it is needed (sync.OnceValue)", m[1], a, maxPackageAllocs)
		}
		most = append(most, fmt.Sprintf("%5d allocations, %6d bytes: %s", a, b, m[1]))
	}
	slices.Sort(most)
	slices.Reverse(most)
	t.Logf("%d packages, %d allocations, %d bytes", packages, allocs, bytes)
	if packages < 20 {
		t.Fatalf("only %d packages are in the trace:\n%s", packages, said.String())
	}
	if packages > maxInits || allocs > maxInitAllocs || bytes > maxInitBytes {
		t.Errorf("before main: %d packages, at most %d; %d allocations, at most %d; %d bytes, at most %d:\n%s",
			packages, maxInits, allocs, maxInitAllocs, bytes, maxInitBytes, strings.Join(most[:10], "\n"))
	}
}
