package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// docker is a dockerd of its own whose runtime is safe-run-oci.
type docker struct{ dir, socket string }

func newDocker(t *testing.T) docker {
	t.Helper()
	return newDockerWith(t, "safe-run")
}

// newDockerWith is one with another default runtime.
func newDockerWith(t *testing.T, runtime string) docker {
	t.Helper()
	needRoot(t)
	needPrograms(t, "dockerd", "docker")
	dir := short(t)
	d := docker{dir: dir, socket: "unix://" + dir + "/s"}
	conf := filepath.Join(dir, "daemon.json")
	must(t, os.WriteFile(conf, []byte("{}"), 0o600))
	group := "/test-docker-" + strconv.Itoa(os.Getpid())
	t.Cleanup(func() { removeGroups(t, group) })
	daemon(t, nil, listening("unix", dir+"/s"), "dockerd", "--data-root", dir+"/root", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"-H", d.socket, "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none", "--storage-driver", "vfs",
		"--config-file", conf, "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", group,
		"--add-runtime", "safe-run="+safeRunOCI(t), "--default-runtime", runtime)
	return d
}

// removeGroups removes the control groups that an engine made for its
// containers, once they are empty. Where there is no such controller, engines
// make plain directories with plain files.
func removeGroups(t *testing.T, name string) {
	t.Helper()
	tops, err := filepath.Glob("/sys/fs/cgroup/*" + name)
	must(t, err)
	tops = append(tops, "/sys/fs/cgroup"+name)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		left := slices.DeleteFunc(slices.Clone(tops), removeGroup)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("still there after 30 s: %q", left)
			return
		}
	}
}

// removeGroup removes a group and those below it, and says whether it is gone.
func removeGroup(top string) bool {
	var all []string
	_ = filepath.WalkDir(top, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		return nil
	})
	for _, path := range slices.Backward(all) {
		if syscall.Rmdir(path) == syscall.ENOTEMPTY {
			_ = os.RemoveAll(path)
		}
	}
	_, err := os.Stat(top)
	return os.IsNotExist(err)
}

func (d docker) call(args ...string) (int, string) {
	cmd := exec.Command("docker", append([]string{"--host", d.socket}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+d.dir)
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestOCIDocker: Debian's docker runs containers with safe-run-oci.
func TestOCIDocker(t *testing.T) {
	d := newDocker(t)
	tree := filepath.Join(t.TempDir(), "root")
	busyboxRoot(t, tree)
	archive := filepath.Join(t.TempDir(), "image.tar")
	mustRun(t, "tar", "-C", tree, "-cf", archive, ".")
	// Not more files than this process may have itself.
	const run = "run --network none --ulimit nofile=256:256 "
	t.Cleanup(func() { d.call("rm", "-f", "box") })
	for _, step := range []struct {
		line string
		code int
		want string
	}{
		{"import " + archive + " local:1", 0, "sha256:"},
		{"info --format '{{.DefaultRuntime}}'", 0, "safe-run"},
		{run + "--rm local:1 sh -c 'id -u; exit 3'", 3, "0\n"},
		{run + "--rm local:1 /nope", 127, "no such file or directory"},
		{run + "--rm local:1 /tmp", 126, "is a directory"},
		{run + "-d --init=false --memory 64m --pids-limit 30 --name box local:1 sleep 600", 0, ""},
		{"exec box sh -c 'exit 7'", 7, ""},
		{"exec -u 1000 box id -u", 0, "1000"},
		{"exec box /nope", 126, "no such file or directory"},
		{"pause box", 0, "box"},
		{"inspect -f '{{.State.Status}} {{.HostConfig.Runtime}}' box", 0, "paused safe-run"},
		{"unpause box", 0, "box"},
		{"update --pids-limit 40 box", 0, "box"},
		{"top box", 0, "sleep 600"},
		{"stats --no-stream --format '{{.Name}} {{.PIDs}}' box", 0, "box 1"},
		{"restart -t 0 box", 0, "box"},
		{"kill box", 0, "box"},
		{"wait box", 0, "137"},
		{"rm box", 0, "box"},
	} {
		if code, out := d.call(words(step.line)...); code != step.code || !strings.Contains(out, step.want) {
			t.Errorf("docker %s: exit code %d, %s", step.line, code, out)
		}
	}
}
