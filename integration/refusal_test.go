package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestRefusedFlags: what docker has and safe-run will not do is refused with a
// reason and a way on, before anything is started.
func TestRefusedFlags(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	for _, flags := range []string{
		"--privileged", "--pid host", "--pid=host", "--ipc host", "--uts host", "--userns host", "--cgroupns host",
		"--network host", "--net=host", "--security-opt seccomp=unconfined", "--security-opt apparmor=unconfined",
		"--device /dev/kvm", "--volumes-from other", "--restart always", "--gpus all", "--publish-all",
	} {
		got := peek(t, strings.Fields(flags), "id")
		first, _, _ := strings.Cut(flags, "=")
		first = strings.Fields(first)[0]
		if got.code != 125 || got.out != "" || !strings.Contains(got.err, first) || !strings.Contains(got.err, "hint:") {
			t.Errorf("%s: exit code %d, output %q, want 125, the flag's name and a hint:\n%s", flags, got.code, got.out, got.err)
		}
	}
}

// TestBadInput: one line that says what failed and to what, a hint, 125, and
// nothing left behind.
func TestBadInput(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := "dir:" + built(t).root
	head := "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: x}\n"
	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"an archive of garbage", []string{"oci-archive:" + write("garbage.tar", "garbage"), "/peek"}, []string{"garbage.tar"}},
		{"an archive that is not there", []string{"docker-archive:" + dir + "/none.tar", "/peek"}, []string{"none.tar"}},
		{"a layout without an index", []string{"oci:" + dir, "/peek"}, nil},
		{"a program that is no program", []string{write("script.txt", "text")}, []string{"script.txt"}},
		{"a scheme that does not exist", []string{"tarball:x", "/peek"}, []string{"tarball"}},
		{"a profile that is not YAML", []string{"--profile", write("broken.yaml", "a: [b"), good, "/peek"}, []string{"broken.yaml:1"}},
		{"an unknown key", []string{"--profile", write("key.yaml", head+"extends: default\nresources: {memroy: 1GiB}\n"), good, "/peek"}, []string{"key.yaml:5:", "memroy", "memory"}},
		{"a wrong type", []string{"--profile", write("type.yaml", head+"extends: default\nresources: {pids: many}\n"), good, "/peek"}, []string{"type.yaml:5:", "many"}},
		{"an impossible value", []string{"--profile", write("value.yaml", head+"extends: default\nresources: {memory: -1}\n"), good, "/peek"}, []string{"value.yaml:5:"}},
		{"an allowance without a reason", []string{"--profile", write("why.yaml", head+"extends: default\nseccomp: {allow: [{name: keyctl}]}\n"), good, "/peek"}, []string{"why.yaml:5:", "why"}},
		{"a profile that extends itself", []string{"--profile", write("loop.yaml", head+"extends: ./loop.yaml\n"), good, "/peek"}, []string{"loop.yaml"}},
		{"a port that is none", []string{"-p", "99999:80", "--profile", "web", good, "/peek"}, []string{"99999"}},
		{"a port without a network", []string{"-p", "8080:80", good, "/peek"}, []string{"network"}},
		{"memory that is none", []string{"--memory", "lots", good, "/peek"}, []string{"lots"}},
		{"a capability that is none", []string{"--cap-add", "FLY", good, "/peek"}, []string{"FLY"}},
		{"an environment file that is not there", []string{"--env-file", dir + "/none.env", good, "/peek"}, []string{"none.env"}},
		{"a working directory that is relative", []string{"-w", "relative", good, "/peek"}, []string{"relative"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := safeRun(t, test.args...)
			if got.code != 125 {
				t.Errorf("exit code %d, want 125", got.code)
			}
			for _, words := range append(test.says, "hint:") {
				if !strings.Contains(got.err, words) {
					t.Errorf("standard error says nothing of %q", words)
				}
			}
			if lines := strings.Count(got.err, "\n"); lines > 2 || strings.Contains(got.err, "goroutine ") {
				t.Errorf("%d lines, want one and its hint", lines)
			}
			if t.Failed() {
				t.Logf("standard error:\n%s", got.err)
			}
		})
	}
}

// TestHostTooWeak: a launcher without the rights that it needs says so.
func TestHostTooWeak(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	cmd := launcher(t, "--reuid", "65534", "--regid", "65534", "--clear-groups", built(t).safeRun, "dir:"+built(t).root, "/peek", "id")
	cmd.Path, cmd.Args[0] = "/usr/bin/setpriv", "setpriv"
	if err := os.Chmod(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	got := finish(t, cmd)
	if got.code != 125 || !strings.Contains(got.err, "root") || !strings.Contains(got.err, "hint:") {
		t.Errorf("not root: exit code %d, want 125 and what to do:\n%s", got.code, got.err)
	}
}
