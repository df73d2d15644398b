// Command calls measures what an allowed system call costs inside: a loop of
// getppid(2) outside of any container, outside under the least filter there can
// be, under safe-run, and under runc with Docker's filter where runc is
// installed. They take turns, so that what else the machine does hits all alike;
// only the ratios mean anything.
//
// With any filter the kernel enters a call by its slower way, so that one
// instruction which allows everything already costs something. Beyond that an
// allowed call should be free: the kernel notes which calls a filter allows
// whatever their arguments, and does not run it for those.
//
// Run it from the top of the repository as root after make build:
//
//	go run ./integration/bench/calls
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/integration/bench/dockerfilter"
)

// maxRatio is of an allowed call inside, to one under the least filter.
const maxRatio = 1.05

// rounds in which each contestant runs once, and says its fastest batch.
const rounds = 15

// loop prints the nanoseconds of a call, of the fastest of many batches. With an
// argument it first loads a filter of one instruction that allows everything.
const loop = `#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
	struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
	struct sock_fprog filter = {1, &allow};
	if (argc > 1 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)))
		return 1;
	double best = 1e9;
	for (int batch = 0; batch < 50; batch++) {
		struct timespec a, b;
		clock_gettime(CLOCK_MONOTONIC, &a);
		for (int i = 0; i < 20000; i++) syscall(SYS_getppid);
		clock_gettime(CLOCK_MONOTONIC, &b);
		double ns = ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / 20000;
		if (ns < best) best = ns;
	}
	printf("%.3f\n", best);
	return 0;
}
`

type contestant struct {
	name string
	args []string
	ns   []float64
}

func main() {
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	if os.Getuid() != 0 {
		return errors.New("run it as root")
	}
	dir, err := os.MkdirTemp("", "calls")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, err := contestants(dir)
	if err != nil {
		return err
	}
	for round := range rounds {
		for i := range all {
			c := all[(i+round)%len(all)]
			ns, err := c.run()
			if err != nil {
				return err
			}
			c.ns = append(c.ns, ns)
		}
	}
	return judge(all)
}

// contestants are the loop outside, without a filter and with one, which are
// first, and in containers.
func contestants(dir string) ([]*contestant, error) {
	// The container's root is nobody on the host, and has to get there.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "rootfs")
	for _, name := range []string{"proc", "sys", "dev", "tmp", "run"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return nil, err
		}
	}
	source, program := filepath.Join(dir, "loop.c"), filepath.Join(root, "loop")
	if err := os.WriteFile(source, []byte(loop), 0o644); err != nil {
		return nil, err
	}
	if out, err := exec.Command("gcc", "-O2", "-static", "-o", program, source).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gcc: %w\n%s", err, out)
	}
	safeRun, err := filepath.Abs("bin/safe-run")
	if err != nil {
		return nil, err
	}
	all := []*contestant{
		{name: "outside", args: []string{program}},
		{name: "the least filter", args: []string{program, "filter"}},
		{name: "safe-run", args: []string{safeRun, "--quiet", "dir:" + root, "/loop"}},
	}
	if _, err := exec.LookPath("runc"); err != nil {
		fmt.Fprintln(os.Stderr, "not measured: runc is not installed")
		return all, nil
	}
	if err := dockerBundle(safeRun, dir, root); err != nil {
		return nil, err
	}
	return append(all, &contestant{name: "runc, Docker's filter", args: []string{"runc", "run", "--bundle", dir, "bench-calls"}}), nil
}

// dockerBundle makes the plan that safe-run would run the loop with a bundle,
// with Docker's filter in the place of ours.
func dockerBundle(safeRun, dir, root string) error {
	plan, err := exec.Command(safeRun, "spec", "dir:"+root, "/loop").Output()
	if err != nil {
		return err
	}
	var oci specs.Spec
	if err := json.Unmarshal(plan, &oci); err != nil {
		return err
	}
	oci.Linux.Seccomp = dockerfilter.Filter()
	data, err := json.Marshal(oci)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644)
}

func (c *contestant) run() (float64, error) {
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// judge prints the table, and is an error when the promise is broken.
func judge(all []*contestant) error {
	outside := slices.Min(all[0].ns)
	fmt.Printf("\n%-24s %9s %9s %7s   a call of getppid(2)\n", "", "fastest", "median", "ratio")
	for _, c := range all {
		sorted := slices.Sorted(slices.Values(c.ns))
		fmt.Printf("%-24s %6.1f ns %6.1f ns %7.3f\n", c.name, sorted[0], sorted[len(sorted)/2], sorted[0]/outside)
	}
	inside := slices.Min(all[2].ns)
	ratio := inside / slices.Min(all[1].ns)
	fmt.Printf("\nan allowed call: %.3f times one outside, and %.3f times one under the least filter; promised: at most %.2f of that\n",
		inside/outside, ratio, maxRatio)
	if ratio > maxRatio {
		return errors.New("the promise is broken")
	}
	return nil
}
