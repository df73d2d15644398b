// Command pull measures how long it takes to bring an image of 70 MB and 8,000
// files from a registry on this machine onto its disk, ready to run: safe-run
// beside skopeo with umoci, and beside podman. All take turns in one run, each
// with an empty store in memory, so that what else the machine does hits all
// alike; only the ratios mean anything.
//
// Run it from the top of the repository as root after make build:
//
//	go run ./integration/bench/pull
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// rounds is how often each contestant pulls.
const rounds = 7

func main() {
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// contestant is one way to pull an image.
type contestant struct {
	name string
	// pull gives the commands that pull into an empty directory.
	pull func(dir string) [][]string
	// files is a directory below dir that must have the image's files then.
	files func(dir string) (string, error)
}

func bench() error {
	if os.Getuid() != 0 {
		return errors.New("run it as root")
	}
	dir, err := os.MkdirTemp("/dev/shm", "bench-pull-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	layout := filepath.Join(dir, "layout")
	if err := makeImage(layout); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	address, stop, err := serve(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	name := address + "/bench:1"
	if err := command("skopeo", "copy", "--quiet", "--dest-tls-verify=false", "oci:"+layout+":1", "docker://"+name); err != nil {
		return err
	}
	times := map[string][]time.Duration{}
	all := contestants(dir, name)
	for round := range rounds {
		for i := range all {
			c := all[(i+round)%len(all)]
			took, err := once(filepath.Join(dir, "into"), c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			times[c.name] = append(times[c.name], took)
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
	}
	return judge(all, times)
}

// contestants are those that are installed; safe-run is the first.
func contestants(dir, name string) []contestant {
	safeRun, err := filepath.Abs("bin/safe-run-image")
	if err != nil {
		safeRun = "bin/safe-run-image"
	}
	policy := filepath.Join(dir, "policy.json")
	_ = os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600) // podman says so when it is not there
	all := []contestant{
		{"safe-run", func(d string) [][]string {
			return [][]string{{safeRun, "pull", "--quiet", "--store", d + "/store", "docker://" + name}}
		}, func(d string) (string, error) { return d + "/store/layers", nil }},
		{"skopeo and umoci", func(d string) [][]string {
			return [][]string{
				{"skopeo", "copy", "--quiet", "--src-tls-verify=false", "docker://" + name, "oci:" + d + "/layout:1"},
				{"umoci", "--log", "error", "unpack", "--image", d + "/layout:1", d + "/bundle"},
			}
		}, func(d string) (string, error) { return d + "/bundle/rootfs", nil }},
		{"podman", func(d string) [][]string {
			return [][]string{{"podman", "--root", d + "/root", "--runroot", d + "/run", "--storage-driver", "overlay", "--tmpdir", d + "/tmp",
				"pull", "--quiet", "--tls-verify=false", "--signature-policy", policy, name}}
		}, func(d string) (string, error) { return d + "/root/overlay", nil }},
	}
	return slices.DeleteFunc(all, func(c contestant) bool {
		for _, words := range c.pull(dir) {
			if _, err := exec.LookPath(words[0]); err != nil {
				fmt.Fprintf(os.Stderr, "not measured: %s: %v\n", c.name, err)
				return true
			}
		}
		return false
	})
}

// once pulls into an empty directory and says how long it took.
func once(dir string, c contestant) (time.Duration, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	defer func() {
		// podman leaves its store mounted on itself.
		_ = exec.Command("umount", "-l", dir+"/root/overlay").Run()
		_ = os.RemoveAll(dir)
	}()
	start := time.Now()
	for _, words := range c.pull(dir) {
		if err := command(words[0], words[1:]...); err != nil {
			return 0, err
		}
	}
	took := time.Since(start)
	into, err := c.files(dir)
	if err != nil {
		return 0, err
	}
	if n := countFiles(into); n < files {
		return 0, fmt.Errorf("it has %d files, not %d: nothing was measured", n, files)
	}
	return took, nil
}

func countFiles(dir string) int {
	n := 0
	_ = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			n++
		}
		return nil
	})
	return n
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// judge prints the table, and is an error when safe-run is not the fastest.
func judge(all []contestant, times map[string][]time.Duration) error {
	median := func(c contestant) time.Duration {
		sorted := slices.Sorted(slices.Values(times[c.name]))
		return sorted[len(sorted)/2]
	}
	own := median(all[0])
	fmt.Printf("\n%-20s %10s %10s %8s\n", "", "median", "fastest", "ratio")
	slower := false
	for _, c := range all {
		m := median(c)
		slower = slower || m < own
		fmt.Printf("%-20s %7d ms %7d ms %8.2f\n", c.name, m.Milliseconds(), slices.Min(times[c.name]).Milliseconds(), float64(m)/float64(own))
	}
	if slower {
		return errors.New("a promise is broken: safe-run is not the fastest")
	}
	if len(all) < 2 {
		return errors.New("there was nothing to compare with")
	}
	return nil
}
