package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/export"
)

// exportProfile is what is exported. Its limits are below what a daemon without
// CAP_SYS_RESOURCE can set.
const exportProfile = `apiVersion: safe-run.dev/v1
kind: Profile
metadata: {name: exported}
extends: default
process:
  userFrom: profile
  runAsUser: 4321
  runAsGroup: 4322
  rlimits: [{name: nofile, soft: 100, hard: 200}, {name: nproc, soft: 90, hard: 120}, {name: core, soft: 0, hard: 0}]
resources: {memory: 64MiB, pids: 40}
mounts: {tmpfs: [{path: /tmp, size: 8MiB, inodes: 500}]}
`

// exportLooks are what must be the same inside, each with the settings of the
// profile whose loss excuses a difference.
var exportLooks = []struct {
	look    string
	excuses []string
}{
	{"id", nil},
	{"status Groups", []string{"process.groups"}},
	{"status CapInh", nil}, {"status CapPrm", nil}, {"status CapEff", nil}, {"status CapBnd", nil}, {"status CapAmb", nil},
	{"status NoNewPrivs", nil}, {"status Seccomp", nil},
	{"limits", nil},
	{"idmap uid", []string{"userNamespace"}},
	{"mount /tmp", nil}, {"mount /run", nil}, {"mount /dev/shm", nil}, {"mount /sys", nil}, {"mount /proc", nil},
	{"statfs /tmp", []string{"mounts.tmpfs[/tmp].inodes"}},
	{"write /open/file", nil}, {"write /tmp/file", nil}, {"write /run/file", nil}, {"exec /tmp", nil}, {"exec /dev/shm", nil},
	{"mknod /tmp/null", nil}, {"setuid /tmp", nil},
	{"count /proc/kcore", nil}, {"count /proc/keys", nil}, {"count /sys/firmware", nil}, {"open /proc/sysrq-trigger wo", nil},
	{"open /proc/sys/kernel/core_pattern wo", nil},
	{"count /proc/kallsyms", []string{"paths.masked"}}, {"count /sys/module", []string{"paths.masked"}}, {"count /proc/interrupts", []string{"paths.masked"}},
	{"interfaces", nil},
	{"call keyctl 0 -3 0", nil}, {"call ptrace 0 0 0 0", nil}, {"call io_uring_setup 1 0", nil}, {"call process_vm_readv 1 0 0 0 0 0", nil},
	{"call userfaultfd 1", nil}, {"call mount 0 s:/nx 0 0 0", nil}, {"call unshare 0x20000", nil}, {"call setns 0 0", nil}, {"call bpf 0 0 0", nil},
	{"call perf_event_open 0 0 0 0 0", nil}, {"call clone3 0 1", nil}, {"call 1000", nil}, {"call shmget 0 4096 0x200", nil},
	{"call personality 0x0040000", []string{"seccomp.allow"}}, {"call ioctl 0 0x5412 0", nil}, {"call ioctl 0 0x100005412 0", nil},
	{"call open_by_handle_at 0 0 0", nil}, {"int80", []string{"seccomp.architectures"}}, {"x32", []string{"seccomp.architectures"}}, {"userns", nil},
	{"socket AF_UNIX 1 0", nil}, {"socket AF_INET 1 0", nil}, {"socket AF_NETLINK 3 0", nil}, {"socket AF_ALG 5 0", nil}, {"socket AF_PACKET 3 0", nil}, {"socket AF_VSOCK 1 0", nil},
}

// exported writes an export of exportProfile, and gives its directory and losses.
func exported(t *testing.T, target, image string) (string, []export.Loss) {
	t.Helper()
	needRoot(t)
	dir := short(t)
	must(t, os.Chmod(dir, 0o755))
	path := filepath.Join(t.TempDir(), "exported.yaml")
	must(t, os.WriteFile(path, []byte(exportProfile), 0o644))
	r := safeRun(t, "export", target, "--profile", path, "--name", "exported", "--losses", "json", "--output", dir+"/", "--command", "/peek", image, "--", "each", lookLine())
	if r.code != 0 {
		t.Fatalf("export %s: %s", target, r.err)
	}
	var losses []export.Loss
	if err := json.Unmarshal([]byte(r.err), &losses); err != nil {
		t.Fatalf("%v\n%s", err, r.err)
	}
	return dir, losses
}

func lookLine() string {
	var all []string
	for _, l := range exportLooks {
		all = append(all, l.look)
	}
	return strings.Join(all, ";")
}

// sameInside compares what was seen inside with what is seen in a container of
// safe-run's under the same profile.
func sameInside(t *testing.T, target, out string, losses []export.Loss) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exported.yaml")
	must(t, os.WriteFile(path, []byte(exportProfile), 0o644))
	own := peek(t, []string{"--profile", path}, "each", lookLine())
	want, got := looked(own.out), looked(out)
	if len(want) != len(exportLooks) || len(got) != len(exportLooks) {
		t.Fatalf("%d looks, safe-run showed %d and %s %d:\n%s%s\n%s", len(exportLooks), len(want), target, len(got), own.out, own.err, out)
	}
	same := 0
	for _, l := range exportLooks {
		if want[l.look] == got[l.look] {
			same++
			continue
		}
		if !slices.ContainsFunc(l.excuses, func(setting string) bool { return export.Covers(losses, setting) }) {
			t.Errorf("%s: %s sees %q and safe-run's container %q, and no loss says so", l.look, target, got[l.look], want[l.look])
		} else {
			t.Logf("%s: %s sees %q and safe-run's container %q, as the losses say", l.look, target, got[l.look], want[l.look])
		}
	}
	t.Logf("%s: %d of %d looks are the same", target, same, len(exportLooks))
}

func looked(out string) map[string]string {
	seen := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if look, value, ok := strings.Cut(line, " = "); ok {
			seen[look] = value
		}
	}
	return seen
}

// peekTree is the tests' image with the places that engines mount on.
func peekTree(t *testing.T, dir string) {
	t.Helper()
	mustRun(t, "cp", "-a", built(t).root, dir)
	for _, place := range []string{"proc", "sys", "dev", "run"} {
		must(t, os.MkdirAll(filepath.Join(dir, place), 0o755))
	}
	must(t, os.Chmod(dir, 0o755))
}

// script runs an exported script as it is.
func script(t *testing.T, path string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command("sh", append([]string{path}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, out)
	}
	return string(out)
}

// TestDockerRuns: a real dockerd holds a container to what was exported.
func TestDockerRuns(t *testing.T) {
	dir, losses := exported(t, "docker", "local:1")
	d := newDockerWith(t, "runc")
	tree := filepath.Join(t.TempDir(), "root")
	peekTree(t, tree)
	archive := filepath.Join(t.TempDir(), "image.tar")
	mustRun(t, "tar", "-C", tree, "-cf", archive, ".")
	if code, out := d.call("import", archive, "local:1"); code != 0 {
		t.Fatal(out)
	}
	out := script(t, dir+"/docker-run.sh", []string{"DOCKER_HOST=" + d.socket, "HOME=" + d.dir}, "--detach=false")
	_, limits := d.call("inspect", "--format", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.NetworkMode}}", "exported")
	if strings.TrimSpace(limits) != "67108864 67108864 1000000000 40 none" {
		t.Errorf("limits: %s", limits)
	}
	if code, out := d.call("rm", "-f", "exported"); code != 0 {
		t.Error(out)
	}
	sameInside(t, "docker", out, losses)
}

// TestPodmanRuns: podman does, with crun and a user namespace of its own.
func TestPodmanRuns(t *testing.T) {
	dir, losses := exported(t, "podman", "localhost/local:1")
	needPrograms(t, "podman", "crun")
	base := patientDir(t)
	group := "/test-export-podman-" + strconv.Itoa(os.Getpid())
	t.Cleanup(func() { removeGroups(t, group) })
	tree := filepath.Join(base, "root")
	peekTree(t, tree)
	archive := filepath.Join(base, "image.tar")
	mustRun(t, "tar", "-C", tree, "-cf", archive, ".")
	// --userns=auto needs lines in /etc/subuid, which is the host's: the same range
	// is named instead. The kernel's hybrid cgroups are hidden from crun.
	text, err := os.ReadFile(dir + "/podman-run.sh")
	must(t, err)
	if !strings.Contains(string(text), "--userns=auto:size=65536") {
		t.Fatalf("no user namespace is asked for:\n%s", text)
	}
	changed := strings.Replace(string(text), "--userns=auto:size=65536", "--uidmap=0:2147352576:65536 --gidmap=0:2147352576:65536", 1)
	must(t, os.WriteFile(dir+"/podman-run.sh", []byte(changed), 0o755))
	engine := []string{"--root", base + "/store", "--runroot", base + "/run", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "crun"}
	wrapper := filepath.Join(base, "podman")
	must(t, os.WriteFile(wrapper, []byte("#!/bin/sh\nexec "+must1(t, "podman")+" "+strings.Join(engine, " ")+" \"$@\"\n"), 0o755))
	mustRun(t, wrapper, "import", "-q", archive, "localhost/local:1")
	hide := "umount /sys/fs/cgroup/unified 2>/dev/null; exec sh \"$@\""
	cmd := exec.Command("unshare", "--mount", "--propagation", "slave", "sh", "-c", hide, "sh", dir+"/podman-run.sh", "--rm", "--cgroup-parent="+group)
	cmd.Env = append(os.Environ(), "PATH="+base+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sameInside(t, "podman", string(out), losses)
}

func must1(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	must(t, err)
	return path
}

// TestOCIRuns: runc and crun do with the bundle.
func TestOCIRuns(t *testing.T) {
	dir, losses := exported(t, "oci", "local:1")
	peekTree(t, dir+"/rootfs")
	// As the losses say, on cgroup version 1 there is no unified.
	text, err := os.ReadFile(dir + "/config.json")
	must(t, err)
	var config map[string]any
	must(t, json.Unmarshal(text, &config))
	linux := config["linux"].(map[string]any)
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		delete(linux["resources"].(map[string]any), "unified")
	}
	for _, runtime := range []string{"runc", "crun"} {
		t.Run(runtime, func(t *testing.T) {
			needPrograms(t, runtime)
			id := "export-" + runtime + "-" + strconv.Itoa(os.Getpid())
			linux["cgroupsPath"] = "/test-" + id
			t.Cleanup(func() { removeGroups(t, "/test-"+id) })
			data, err := json.Marshal(config)
			must(t, err)
			must(t, os.WriteFile(dir+"/config.json", data, 0o644))
			hide := "umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\""
			cmd := exec.Command("unshare", "--mount", "--propagation", "slave", "sh", "-c", hide, "sh", runtime, "--root", t.TempDir(), "run", "--bundle", dir, id)
			cmd.Stdin = nil
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			sameInside(t, runtime, string(out), losses)
		})
	}
}
