package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

const (
	safeRunName = "safe-run"
	bareName    = "libcontainer alone"
	storeName   = "safe-run, stored image"
)

// contestant is one way to run the same program confined.
type contestant struct {
	name, what string
	args       []string
}

// makeBundle makes a root filesystem with a program that does nothing, and
// beside it the plan that safe-run would run it with: an OCI bundle.
func makeBundle(dir string) (string, error) {
	// The container's root is nobody on the host, and has to get there.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	bundle := filepath.Join(dir, "bundle")
	root := filepath.Join(bundle, "rootfs")
	for _, name := range []string{"proc", "sys", "dev", "tmp", "run", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return "", err
		}
	}
	source := filepath.Join(dir, "true.c")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o644); err != nil {
		return "", err
	}
	if out, err := exec.Command("gcc", "-O2", "-static", "-s", "-o", filepath.Join(root, "true"), source).CombinedOutput(); err != nil {
		return "", fmt.Errorf("gcc: %w\n%s", err, out)
	}
	plan, err := exec.Command("bin/safe-run", "spec", "dir:"+root, "/true").Output()
	if err != nil {
		return "", fmt.Errorf("safe-run spec: %w", err)
	}
	return bundle, os.WriteFile(filepath.Join(bundle, "config.json"), plan, 0o644)
}

// contestants are those that are installed; safe-run is the first.
func contestants(dir, bundle string) ([]contestant, error) {
	bare := filepath.Join(dir, "bare")
	build := exec.Command("go", "build", "-trimpath", "-tags", "netgo osusergo seccomp containers_image_openpgp exclude_graphdriver_btrfs", "-ldflags", `-s -w -extldflags "-static"`, "-o", bare, "./integration/bench/bare")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build bare: %w\n%s", err, out)
	}
	safeRun, err := filepath.Abs("bin/safe-run")
	if err != nil {
		return nil, err
	}
	root := filepath.Join(bundle, "rootfs")
	all := []contestant{
		{safeRunName, "the default profile", []string{safeRun, "dir:" + root, "/true"}},
		{bareName, "the same plan, a program of 90 lines", []string{bare, bundle, "bench-bare"}},
	}
	stored, err := storedImage(dir, filepath.Join(root, "true"))
	if err != nil {
		return nil, err
	}
	all = append(all, contestant{storeName, "the same from the store, five layers", []string{safeRun, stored, "/true"}})
	if path, err := newestRunc(); err != nil {
		fmt.Fprintln(os.Stderr, "not measured: runc of the same libcontainer:", err)
	} else {
		all = append(all, contestant{"runc, same libcontainer", "the same plan", []string{path, "run", "--bundle", bundle, "bench-runc"}})
	}
	for _, c := range []contestant{
		{"runc of Debian", "the same plan", []string{"runc", "run", "--bundle", bundle, "bench-runc-debian"}},
		{"crun", "the same plan", []string{"crun", "run", "--bundle", bundle, "bench-crun"}},
		{"bwrap", "namespaces only: no seccomp, no limits", []string{"bwrap", "--unshare-all", "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/true"}},
	} {
		if _, err := exec.LookPath(c.args[0]); err != nil {
			fmt.Fprintf(os.Stderr, "not measured: %s is not installed\n", c.name)
			continue
		}
		all = append(all, c)
	}
	return all, nil
}

// storedImage makes an image of five layers of the program, and points the
// store into dir. The first run of it fills the store.
func storedImage(dir, program string) (string, error) {
	if err := os.Setenv("SAFE_RUN_STORE", filepath.Join(dir, "store")); err != nil {
		return "", err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	layers := []imagetest.Files{{"true": {Mode: 0o755, Content: string(binary)}}}
	for n := range 4 {
		layers = append(layers, imagetest.Files{fmt.Sprintf("usr/lib/layer%d", n): {Content: "x"}})
	}
	layout := filepath.Join(dir, "layout")
	return "oci:" + layout, imagetest.New(spec.ImageConfig{}, layers...).Layout(layout, "")
}

// works runs the command once, and says why it cannot be measured.
func (c contestant) works() bool {
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Stdin = strings.NewReader("")
	out, err := cmd.CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "not measured: %s: %v: %s\n", c.name, err, strings.TrimSpace(string(out)))
	}
	return err == nil
}

// newestRunc builds the runc that belongs to the libcontainer in go.mod, once.
func newestRunc() (string, error) {
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/opencontainers/runc").Output()
	if err != nil {
		return "", err
	}
	v := strings.TrimSpace(string(version))
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "safe-run", "runc-"+v)
	path := filepath.Join(dir, "runc")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	install := exec.Command("go", "install", "-tags", "seccomp", "github.com/opencontainers/runc@"+v)
	install.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install: %w\n%s", err, out)
	}
	return path, nil
}

// marker says in the environment that privately has done its work.
const marker = "BENCH_PRIVATE"

// private makes the mount namespace fit for all contestants. crun refuses the
// version 2 part of hybrid cgroups, and gives its standard streams, which are
// /dev/null, to the container's user: so there is another null device here.
const private = `if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
mknod -m 666 "$1/null" c 1 3 && mount --bind "$1/null" /dev/null && exec "$0"`

// privately starts this program again in a mount namespace of its own. It says
// whether it did.
func privately() (bool, error) {
	if os.Getenv(marker) != "" {
		return false, nil
	}
	self, err := os.Executable()
	if err != nil {
		return true, err
	}
	dev, err := os.MkdirTemp("/dev", "bench")
	if err != nil {
		return true, err
	}
	defer os.RemoveAll(dev)
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", private, self, dev)
	cmd.Env = append(os.Environ(), marker+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return true, errors.New("see above")
	}
	return true, nil
}

// maxRSS is in bytes; the kernel counts in KiB.
func maxRSS(state *os.ProcessState) int64 {
	return state.SysUsage().(*syscall.Rusage).Maxrss << 10
}
