package network

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The tests that touch the kernel run as root in a network namespace that
// stands for the host: this test binary starts itself again in one. Sandboxes,
// neighbours and the outside are further copies of it, each in a namespace of
// its own (peer_test.go). Nothing leaves the machine.
const roleVar = "SAFE_RUN_NETWORK_TEST"

const (
	roleHost     = "host"
	rolePeer     = "peer"
	roleLauncher = "launcher"
)

// onHost says that this process is the host.
var onHost bool

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case rolePeer:
		os.Exit(runPeer())
	case roleLauncher:
		os.Exit(runLauncher())
	case roleHost:
		onHost = true
		os.Exit(runHost(m))
	}
	flag.Parse()
	if fuzzing() || os.Getuid() != 0 {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), roleVar+"="+roleHost)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "tests of sandbox/network:", err)
		os.Exit(1)
	}
}

// fuzzing tells a fuzz run, whose workers talk over inherited descriptors.
func fuzzing() bool {
	for _, name := range []string{"test.fuzz", "test.fuzzworker"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" && f.Value.String() != "false" {
			return true
		}
	}
	return false
}

// needsHost skips a test loudly where there is no host to test on.
func needsHost(t *testing.T) {
	t.Helper()
	if !onHost {
		fmt.Fprintf(os.Stderr, "NOT CHECKED: %s needs root\n", t.Name())
		t.Skip("NOT CHECKED: needs root")
	}
}

// runHost builds the surroundings, runs the tests and fails when they leave
// the host different from how they found it.
func runHost(m *testing.M) int {
	if err := buildWorld(); err != nil {
		fmt.Fprintln(os.Stderr, "build the test networks:", err)
		return 1
	}
	defer closeWorld()
	before := hostState()
	code := m.Run()
	if after := hostState(); after != before {
		fmt.Fprintf(os.Stderr, "LEAK: the host is not as it was before the tests\n%s", difference(before, after))
		return 1
	}
	return code
}

func difference(before, after string) string {
	var out strings.Builder
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, l := range old {
		if !strings.Contains(after, l) {
			fmt.Fprintln(&out, "  gone:", l)
		}
	}
	for _, l := range now {
		if !strings.Contains(before, l) {
			fmt.Fprintln(&out, "  new: ", l)
		}
	}
	return out.String()
}
