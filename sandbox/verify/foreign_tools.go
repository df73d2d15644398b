package verify

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

func runcCommand(ctx context.Context, p place) ([]string, error) {
	if err := bundle(ctx, "runc", p); err != nil {
		return nil, err
	}
	return []string{"runc", "--root", filepath.Join(p.dir, "state"), "run", "-b", p.dir, p.id}, nil
}

// crunCommand hides the unified hierarchy of a hybrid set-up, which crun takes
// for a mistake; in a mount namespace of its own, so that nobody else misses it.
func crunCommand(ctx context.Context, p place) ([]string, error) {
	if err := bundle(ctx, "crun", p); err != nil {
		return nil, err
	}
	args := []string{"crun", "--root", filepath.Join(p.dir, "state"), "run", "-b", p.dir, p.id}
	if !hybrid() {
		return args, nil
	}
	script := `umount /sys/fs/cgroup/unified && exec "$@"`
	return append([]string{"unshare", "--mount", "sh", "-c", script, "sh"}, args...), nil
}

func runscCommand(ctx context.Context, p place) ([]string, error) {
	if err := bundle(ctx, "runsc", p); err != nil {
		return nil, err
	}
	return []string{"runsc", "--root", filepath.Join(p.dir, "state"), "--network", "none", "run", "-bundle", p.dir, p.id}, nil
}

// podmanCommand asks for limits of its own, because podman's are above those that
// a machine without CAP_SYS_RESOURCE may set, and for runc where crun would not.
func podmanCommand(_ context.Context, p place) ([]string, error) {
	args := []string{"podman"}
	if _, err := exec.LookPath("runc"); err == nil && hybrid() {
		args = append(args, "--runtime", "runc")
	}
	args = append(args, "run", "--rm", "--name", p.id, "--network", "none",
		"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--rootfs", p.root)
	return append(args, p.args...), nil
}

// hybrid is a control group set-up of both versions.
func hybrid() bool {
	_, err := os.Stat("/sys/fs/cgroup/unified/cgroup.procs")
	return err == nil
}

// bwrapCommand is what an ordinary user gets: root would keep its capabilities.
func bwrapCommand(_ context.Context, p place) ([]string, error) {
	return append([]string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--", "bwrap", "--unshare-all", "--die-with-parent", "--bind", p.root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"}, p.args...), nil
}

// dockerCommand has the image read from a pipe and forgotten afterwards.
func dockerCommand(_ context.Context, p place) ([]string, error) {
	script := `tar -C "$1" -c . | docker import - "$2" >/dev/null || exit 125
trap 'docker rmi -f "$2" >/dev/null 2>&1' EXIT
name=$2; shift 2
docker run --rm --network none --name "$name" "$name" "$@"`
	return append([]string{"sh", "-c", script, "sh", p.root, p.id}, p.args...), nil
}

// bundle writes what a runtime's own `spec` gives, with our command.
func bundle(ctx context.Context, runtime string, p place) error {
	cmd := exec.CommandContext(ctx, runtime, "spec")
	cmd.Dir = p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return unknownSpec(runtime, errors.New(clean(lastLine(string(out)), maxDetail)))
	}
	at := filepath.Join(p.dir, "config.json")
	data, err := os.ReadFile(at)
	if err != nil {
		return unknownSpec(runtime, err)
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		return unknownSpec(runtime, err)
	}
	process, ok := config["process"].(map[string]any)
	if !ok {
		return unknownSpec(runtime, errors.New("there is no process in it"))
	}
	process["args"], process["terminal"] = p.args, false
	if data, err = json.Marshal(config); err != nil {
		return unknownSpec(runtime, err)
	}
	return os.WriteFile(at, data, 0o600)
}
