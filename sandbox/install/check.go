package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec/install"
	"github.com/safe-run/safe-run/spec/problem"
)

// Check is a test container under an engine: whether the engine starts the
// program that was installed, and is held to the policy by it.
type Check struct {
	Engine  string
	Program string // the runtime, which is static, and so a container's program, too
	Refuses bool   // the policy in force refuses a container that is root in no user namespace
}

// Checked is what came of it.
type Checked struct {
	Held []string // what was seen
	Left []string // what was not looked at, and why
}

// checkTime bounds one command of an engine.
const checkTime = time.Minute

// refusalsDir is where the shim writes down what it refuses where no configuration
// says otherwise.
const refusalsDir = "/run/safe-run/pods"

// nothingHeld is a policy that lets a test container be what it is.
const nothingHeld = "apiVersion: safe-run.dev/v1\nkind: Shim\nprofile: none\n"

// Run runs it. An engine that does not answer is none that fails: a node is
// often prepared before its engine runs.
func (c Check) Run(ctx context.Context) (Checked, error) {
	dir, err := os.MkdirTemp("", "safe-run-check")
	if err != nil {
		return Checked{}, err
	}
	defer os.RemoveAll(dir)
	if err := c.root(dir); err != nil {
		return Checked{}, err
	}
	switch c.Engine {
	case "containerd":
		return c.containerd(ctx, dir)
	case "podman":
		return c.podman(ctx, dir)
	case "docker":
		return c.docker(ctx, dir)
	}
	return Checked{Left: []string{c.Engine + " runs containers in pods only: after its restart, crictl run --runtime " + install.Runtime}}, nil
}

// root makes the root of a test container: the runtime's program, alone.
func (c Check) root(dir string) error {
	root := filepath.Join(dir, "root")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(root, 0o755)); err != nil {
		return err
	}
	for _, name := range []string{"proc", "sys", "dev", "etc", "run", "tmp"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	from, err := os.Open(c.Program)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(root, "test"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// call runs an engine's command, and gives all that it writes.
func call(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// silent says that an engine does not answer.
func (c Check) silent(out string, err error) Checked {
	lines := strings.Split(out, "\n")
	return Checked{Left: []string{fmt.Sprintf("%s does not answer (%v: %.200s); when it does: safe-run install %s --check", c.Engine, err, lines[len(lines)-1], c.Engine)}}
}

// refused says whether an answer is a refusal by a profile: the runtime was
// started then, and read the policy.
func refused(out string) bool {
	return strings.Contains(out, "profile ") && (strings.Contains(out, "the bundle asks for ") || strings.Contains(out, "the bundle has no "))
}

// judge is what the answer of a run says that asks for what profiles forbid.
func (c Check) judge(out string, err error) (Checked, error) {
	switch {
	case err == nil && c.Refuses:
		return Checked{}, problem.New("see what program the engine's configuration names for runtime "+install.Runtime+": it is to be "+c.Program,
			"%s ran a container that is root, which the policy in /etc/safe-run refuses: nothing holds it to the policy", c.Engine)
	case err == nil:
		return Checked{Held: []string{c.Engine + " ran a container by " + c.Program + ", whose policy lets it be root: see /etc/safe-run"}}, nil
	case refused(out):
		return Checked{Held: []string{c.Engine + " asked " + c.Program + " for a container that is root, which its policy refuses"}}, nil
	}
	return Checked{}, c.failed(out, err)
}

func (c Check) failed(out string, err error) error {
	return problem.New("see the engine's log; safe-run install "+c.Engine+" --undo takes it back", "a test container of %s: %w: %.1000s", c.Engine, err, out)
}

// containerd is asked by ctr, which needs no configuration of the engine's:
// one container that is held to nothing, one that the policy is for.
func (c Check) containerd(ctx context.Context, dir string) (Checked, error) {
	const namespace = "safe-run-check"
	if out, err := call(ctx, "ctr", "version"); err != nil {
		return c.silent(out, err), nil
	}
	// That the second one was refused was to be seen, and is nobody's.
	defer func() { _ = os.RemoveAll(filepath.Join(refusalsDir, namespace)) }()
	policy := filepath.Join(dir, "shim.yaml")
	if err := os.WriteFile(policy, []byte(nothingHeld), 0o600); err != nil {
		return Checked{}, err
	}
	defer func() {
		_, _ = call(context.WithoutCancel(ctx), "ctr", "namespaces", "rm", "--cgroup", namespace)
		// ctr looks in the hierarchies of one version only; one in use stays.
		groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + namespace)
		for _, group := range groups {
			_ = os.Remove(group)
		}
	}()
	run := func(id string, flags ...string) (string, error) {
		args := append([]string{"-n", namespace, "run", "--rm", "--runtime", c.Program}, flags...)
		out, err := call(ctx, "ctr", append(args, "--rootfs", filepath.Join(dir, "root"), id, "/test", "-v")...)
		if err != nil {
			_, _ = call(context.WithoutCancel(ctx), "ctr", "-n", namespace, "containers", "rm", id)
		}
		return out, err
	}
	id := "check-" + filepath.Base(dir)
	if out, err := run(id, "--runtime-config-path", policy); err != nil {
		return Checked{}, c.failed(out, err)
	}
	held, err := c.judge(run(id + "-policy"))
	held.Held = append([]string{"containerd ran a container by " + c.Program}, held.Held...)
	held.Left = append(held.Left, "that pods have the runtimes: restart containerd, then crictl info")
	return held, err
}

// hostIDs gives a container no user namespace, whatever the engine is told
// otherwise: a policy that refuses such a one is known to.
const hostIDs = "--userns=host"

// podman has no daemon, and runs a directory.
func (c Check) podman(ctx context.Context, dir string) (Checked, error) {
	if out, err := call(ctx, "podman", "version"); err != nil {
		return c.silent(out, err), nil
	}
	return c.judge(call(ctx, "podman", "--runtime", install.Runtime, "run", "--rm", hostIDs, "--network", "none", "--rootfs", filepath.Join(dir, "root"), "/test", "--version"))
}

// docker has the runtime when it has read its file again, and wants an image.
func (c Check) docker(ctx context.Context, dir string) (Checked, error) {
	out, err := call(ctx, "docker", "info", "--format", "{{range $name, $r := .Runtimes}}{{$name}} {{end}}")
	if err != nil {
		return c.silent(out, err), nil
	}
	if !strings.Contains(" "+out+" ", " "+install.Runtime+" ") {
		return Checked{Left: []string{"dockerd has not read its file again: systemctl reload docker, then safe-run install docker --check"}}, nil
	}
	archive := filepath.Join(dir, "root.tar")
	if out, err := call(ctx, "tar", "-C", filepath.Join(dir, "root"), "-cf", archive, "."); err != nil {
		return Checked{}, c.failed(out, err)
	}
	image := "safe-run-check:" + strings.TrimPrefix(filepath.Base(dir), "safe-run-check")
	if out, err := call(ctx, "docker", "import", archive, image); err != nil {
		return Checked{}, c.failed(out, err)
	}
	defer func() { _, _ = call(context.WithoutCancel(ctx), "docker", "rmi", image) }()
	return c.judge(call(ctx, "docker", "run", "--rm", hostIDs, "--network", "none", "--runtime", install.Runtime, image, "/test", "--version"))
}
