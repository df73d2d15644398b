package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/integration/bench/dockerfilter"
	"github.com/safe-run/safe-run/integration/bench/result"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// world is what the scenes share: a program that does nothing, as a directory, a
// bundle, and an image of the store and of the engines.
type world struct {
	dir     string
	safeRun string
	root    string // a root file system that holds /true and /sleep
	plan    string // a bundle with the plan that safe-run runs it with
	docker  string // the same with Docker's filter
	image   string // an image of five layers, for safe-run
	bare    string // libcontainer alone
	runc    string // of the libcontainer in go.mod; empty where it cannot be built

	plain  string // the bundle of docker without a user namespace
	nouser string // the plan without a user namespace
	always string // why there is no such plan

	counted []*result.Cost

	engine *engine // a dockerd of its own; nil where there is none
	podman []string
	closes []func() error
}

func newWorld(dir string) (*world, error) {
	w := &world{dir: dir, bare: filepath.Join(dir, "bare")}
	for to, name := range map[*string]string{&w.root: "rootfs", &w.plan: "plan", &w.docker: "docker", &w.nouser: "nouser", &w.plain: "plain"} {
		*to = filepath.Join(dir, name)
	}
	var err error
	if w.safeRun, err = filepath.Abs("bin/safe-run"); err != nil {
		return nil, err
	}
	for _, step := range []func() error{w.makeRoot, w.makeBundles, w.makeImage, w.buildBare} {
		if err := step(); err != nil {
			return w, err
		}
	}
	if w.runc, err = newestRunc(); err != nil {
		fmt.Fprintln(os.Stderr, "not measured: runc of the same libcontainer:", err)
	}
	if w.runc == "" {
		w.runc = "runc"
	}
	w.startDocker()
	w.loadPodman()
	return w, nil
}

func (w *world) close() error {
	err := w.uncovered()
	for i := len(w.closes) - 1; i >= 0; i-- {
		err = errors.Join(err, w.closes[i]())
	}
	return err
}

// programs are what runs: they do nothing, and nothing for a long time.
var programs = map[string]string{
	"true":  "int main(void) { return 0; }\n",
	"sleep": "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n",
}

func (w *world) makeRoot() error {
	// The container's root is nobody on the host, and has to get there.
	if err := os.Chmod(w.dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"proc", "sys", "dev", "tmp", "run", "etc"} {
		if err := os.MkdirAll(filepath.Join(w.root, name), 0o755); err != nil {
			return err
		}
	}
	for name, text := range programs {
		source := filepath.Join(w.dir, name+".c")
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			return err
		}
		if err := quietly("gcc", "-O2", "-static", "-s", "-o", filepath.Join(w.root, name), source); err != nil {
			return err
		}
	}
	return nil
}

// makeBundles writes the plans that safe-run would use as OCI bundles, with a user
// namespace and without: as they are, and with Docker's filter in the place of
// their own.
func (w *world) makeBundles() error {
	if err := w.bundle(w.plan, w.docker); err != nil {
		return err
	}
	err := w.hideUsers()
	if err == nil {
		err = errors.Join(w.bundle(w.nouser, w.plain, acceptNoUser...), w.showUsers())
	}
	if err != nil {
		w.always = firstLine(err)
	}
	return nil
}

func (w *world) bundle(own, other string, flags ...string) error {
	plan, err := exec.Command(w.safeRun, append(append([]string{"spec"}, flags...), "dir:"+w.root, "/true")...).Output()
	if err != nil {
		return fmt.Errorf("safe-run spec: %w", err)
	}
	var oci specs.Spec
	if err := json.Unmarshal(plan, &oci); err != nil {
		return err
	}
	oci.Linux.CgroupsPath = "" // a group for each, by its name
	for _, bundle := range []string{own, other} {
		if bundle == other {
			oci.Linux.Seccomp = dockerfilter.Filter()
		}
		config, err := json.Marshal(oci)
		if err == nil {
			err = errors.Join(os.MkdirAll(bundle, 0o755), os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o644))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// specs are the configurations, for who wants to know what was run.
func (w *world) specs() (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	for name, bundle := range map[string]string{
		"safe-run's plan": w.plan, "with Docker's filter": w.docker, "without a user namespace": w.nouser, "without a user namespace, with Docker's filter": w.plain,
	} {
		data, err := os.ReadFile(filepath.Join(bundle, "config.json"))
		if errors.Is(err, os.ErrNotExist) {
			continue // its scene says why
		}
		if err != nil {
			return nil, err
		}
		all[name] = data
	}
	return all, nil
}

// makeImage makes an image of five layers, and points the store into the world.
func (w *world) makeImage() error {
	if err := os.Setenv("SAFE_RUN_STORE", filepath.Join(w.dir, "store")); err != nil {
		return err
	}
	files, err := w.programFiles()
	if err != nil {
		return err
	}
	layers := []imagetest.Files{files}
	for n := range 4 {
		layers = append(layers, imagetest.Files{fmt.Sprintf("usr/lib/layer%d", n): {Content: "x"}})
	}
	layout := filepath.Join(w.dir, "layout")
	w.image = "oci:" + layout
	return imagetest.New(spec.ImageConfig{}, layers...).Layout(layout, "")
}

// programFiles are the programs as the files of a layer.
func (w *world) programFiles() (imagetest.Files, error) {
	files := imagetest.Files{}
	for name := range programs {
		binary, err := os.ReadFile(filepath.Join(w.root, name))
		if err != nil {
			return nil, err
		}
		files[name] = imagetest.File{Mode: 0o755, Content: string(binary)}
	}
	return files, nil
}

func (w *world) buildBare() error {
	return quietly("go", "build", "-trimpath", "-tags", "netgo osusergo seccomp containers_image_openpgp exclude_graphdriver_btrfs",
		"-ldflags", `-s -w -extldflags "-static"`, "-o", w.bare, "./integration/bench/bare")
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

// machine says where this is.
func (w *world) machine() result.Machine {
	m := result.Machine{Processors: runtime.NumCPU(), Cgroup: "cgroup version 1", Versions: map[string]string{}}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		m.Cgroup = "cgroup version 2"
	}
	info, _ := os.ReadFile("/proc/cpuinfo") // without it there is no model to name
	if _, model, found := strings.Cut(string(info), "model name\t: "); found {
		m.Model, _, _ = strings.Cut(model, "\n")
	}
	for name, args := range map[string][]string{
		"safe-run": {w.safeRun, "--version"}, "runc, measured": {w.runc, "--version"}, "crun": {"crun", "--version"},
		"bwrap": {"bwrap", "--version"}, "docker": {"dockerd", "--version"}, "podman": {"podman", "--version"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).Output(); err == nil {
			m.Versions[name], _, _ = strings.Cut(string(out), "\n")
		}
	}
	return m
}
