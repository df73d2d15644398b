package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// unfit are the tests of the suite that a machine without a compiler or the
// repository cannot run, and one that would take it too long.
var unfit = map[string]string{
	"TestNginx":          "installs nginx, which needs the internet",
	"TestLinkedPackages": "needs Go",
	"TestBinaries":       "needs Go",
	"TestOCIPodman":      "a check runs podman; emulated, the whole of it takes too long",
	"TestOCIPod":         "a check runs podman; emulated, the whole of it takes too long",
	"TestManyRuns":       "200 runs take an emulated processor too long",
}

// drivers are the tests that a guest with systemd runs: those of what the other
// guest cannot show, because there systemd has its hand in it.
const drivers = "^(TestCauses|TestEgress|TestExitCodes|TestInit|TestKilledLaunchers|TestLimits|TestNamespaces|" +
	"TestDetach|TestPublish|TestSignals|TestTerminal.*|TestTerminatedWhileStarting)$"

// selection says which tests to run: those asked for, or what fits the guest.
func selection() string {
	wanted := parameter("vm.tests")
	if wanted == "" && parameter("vm.guest") == "systemd" {
		return drivers
	}
	return wanted
}

// eventually waits for something to become true.
func eventually(is func() bool) error {
	for deadline := time.Now().Add(patience / 4); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if is() {
			return nil
		}
	}
	return fmt.Errorf("still not so after %s", patience/4)
}

// verdictLine is one line of go test -v about a test, and not a part of one.
var verdictLine = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (\w+) \(([\d.]+)s\)`)

// suite runs the tests of the program itself, of package integration.
func (r *results) suite() {
	var skip []string
	for name, why := range unfit {
		skip = append(skip, name)
		defer func() {
			r.say("not checked        suite: %s", name)
			r.about(why)
		}()
	}
	if selection() == drivers {
		r.say("not checked        suite: what no driver of control groups can change")
		r.about("the machine without systemd runs those tests")
	}
	r.tests("suite", "-test.skip=^("+strings.Join(skip, "|")+")$", "-test.run="+selection())
	// How layers are mounted depends on the kernel, and on nothing else here.
	if parameter("vm.tests") == "" && parameter("vm.guest") != "systemd" {
		r.tests("rootfs")
	}
}

// tests runs a test binary, and says of each test how it went.
func (r *results) tests(binary string, args ...string) {
	cmd := exec.Command(payload+"/"+binary, append([]string{"-test.v", "-test.timeout=12m"}, args...)...)
	cmd.Dir = payload
	cmd.Env = append(os.Environ(), "SAFE_RUN_BIN="+payload, "TMPDIR=/var/tmp")
	out, err := cmd.StdoutPipe()
	if err == nil {
		cmd.Stderr = cmd.Stdout
		err = cmd.Start()
	}
	if err != nil {
		r.say("FAIL %s", binary)
		r.about(err.Error())
		return
	}
	verdicts := map[string]string{"PASS": "ok", "FAIL": "FAIL", "SKIP": "not checked"}
	var held []string // what a test said
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		fmt.Println(line)
		if m := verdictLine.FindStringSubmatch(line); m != nil {
			r.say("%s %5ss %s: %s", verdicts[m[1]], m[3], binary, m[2])
			if m[1] == "PASS" {
				held = nil
			}
			r.about(strings.Join(held, "\n"))
			held = nil
		} else if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "    --- PASS") {
			held = append(held, line)
		}
	}
	if err := cmd.Wait(); err != nil {
		r.say("FAIL %s: the tests as a whole", binary)
		r.about(err.Error() + "\n" + strings.Join(held, "\n"))
	}
}
