package integration

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// plainDocker is a dockerd of its own with everything as it comes.
type plainDocker struct {
	socket, home, image, tree string
}

func newPlainDocker(t *testing.T) plainDocker {
	t.Helper()
	needRoot(t)
	needPrograms(t, "dockerd", "docker", "containerd", "runc")
	dir := short(t)
	d := plainDocker{socket: "unix://" + dir + "/s", home: dir, image: "local:1", tree: filepath.Join(t.TempDir(), "tree")}
	conf := filepath.Join(dir, "daemon.json")
	must(t, os.WriteFile(conf, []byte("{}"), 0o600))
	busyboxRoot(t, d.tree)
	for _, applet := range []string{"echo", "pwd"} {
		must(t, os.Symlink("busybox", filepath.Join(d.tree, "bin", applet)))
	}
	must(t, os.Mkdir(filepath.Join(d.tree, "etc"), 0o755))
	must(t, os.Chmod(d.tree, 0o755))
	group := "/test-transcript-" + strconv.Itoa(os.Getpid())
	t.Cleanup(func() { removeGroups(t, group) })
	daemon(t, nil, listening("unix", dir+"/s"), "dockerd", "--data-root", dir+"/root", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"-H", d.socket, "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none", "--storage-driver", "vfs",
		"--config-file", conf, "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", group)
	t.Cleanup(func() {
		if ids := strings.Fields(d.run([]string{"ps", "-aq"}).out); len(ids) > 0 {
			d.run(append([]string{"rm", "-f"}, ids...))
		}
	})
	archive := filepath.Join(t.TempDir(), "image.tar")
	mustRun(t, "tar", "-C", d.tree, "-cf", archive, ".")
	if got := d.run([]string{"import", archive, d.image}); got.code != 0 {
		t.Fatalf("docker import: %s", got.err)
	}
	return d
}

// run runs docker's command line.
func (d plainDocker) run(args []string) result {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := "/usr/bin/docker" // Debian's, which is of the daemon's version
	if _, err := os.Stat(client); err != nil {
		client = "docker"
	}
	cmd := exec.CommandContext(ctx, client, append([]string{"--host", d.socket}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "LANG=C"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return result{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
}

// What is another each time, and what it is called.
var normals = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "id"},
	{regexp.MustCompile(`(local:1|dir:\S+)`), "IMAGE"},
	{regexp.MustCompile(`(?i)(less than a second|about an? \w+|\d+ \w+)( ago)`), "TIME ago"},
	{regexp.MustCompile(`Up ((?i:less than a second|about an? \w+)|\d+ \w+)`), "Up TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z?`), "DATE"},
	// What docker says of this host on standard output.
	{regexp.MustCompile(`(?m)^IPv4 forwarding is disabled. Networking will not work.\n`), ""},
	{regexp.MustCompile(` {2,}`), "  "},
	{regexp.MustCompile(`(?m) +$`), ""},
}

// numbers are what top shows of processes.
var numbers = regexp.MustCompile(`\b\d[\d:]*\b`)

// normal is an output without what is another each time.
func normal(line, text string) string {
	for _, n := range normals {
		text = n.what.ReplaceAllString(text, n.name)
	}
	if strings.HasPrefix(line, "top ") {
		text = numbers.ReplaceAllString(text, "N")
	}
	return text
}

// normalErrors is what stands on standard error. What an engine says of a
// failure, in words of its own, is one word here.
func normalErrors(line, text string, code int) string {
	var kept []string
	failed := false
	for _, part := range strings.Split(strings.TrimSpace(normal(line, text)), "\n") {
		switch {
		case strings.HasPrefix(part, "WARNING: "), part == "":
		case regexp.MustCompile(`^(docker: |Error|safe-run( image)?: |hint: |See 'docker|unknown |"docker|template|time=|Usage|invalid|No such|failed to |you cannot)`).MatchString(part):
			failed = true
		case code != 0 && failed: // more of the same
		default:
			kept = append(kept, part)
		}
	}
	if failed {
		kept = append(kept, "a failure")
	}
	return strings.Join(kept, "\n")
}
