package source

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// fakeCtr is a containerd that somebody listens for, with a script as ctr. In
// the script, $DIR is a directory of the test.
func fakeCtr(t *testing.T, script string) (*containerd, string) {
	t.Helper()
	dir := engineDir(t)
	l, err := net.Listen("unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := os.WriteFile(dir+"/ctr", []byte("#!/bin/sh\nDIR="+dir+"\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &containerd{ctr: dir + "/ctr", address: dir + "/s", namespace: "default", answers: time.Second, exports: time.Second}, dir
}

// has is the start of a script that lists one image.
const has = `case "$*" in *" ls "*) echo docker.io/library/app:1; exit;; esac
`

func TestHostileCtr(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"it fails":             {`echo "ctr: $(printf '\033[31m')no way" >&2; exit 1`, "containerd says:  [31mno way"},
		"it fails silently":    {`exit 3`, "ctr failed: exit status 3"},
		"it hangs":             {`sleep 60`, "ctr did not finish in 1s"},
		"it lists endlessly":   {`exec yes`, "ctr did not finish in 1s"},
		"it complains forever": {`exec yes >&2`, "ctr did not finish in 1s"},
		"it lists others":      {`echo other; echo docker.io/library/app:10`, "containerd has no image docker.io/library/app:1 in its namespace default"},
		"an endless archive":   {has + `exec cat /dev/zero`, "more than 1 MiB in its archive"},
		"the export hangs":     {has + `echo x; sleep 60`, "ctr did not finish in 1s"},
		"the export fails":     {has + `echo x; echo "content digest: not found" >&2; exit 1`, "containerd says: content digest: not found"},
		"no archive":           {has + `yes x | head -c 2000`, "not a tar archive"},
		"nothing":              {has, "it is not an OCI layout"},
		"a child hangs":        {has + `sleep 60 & exit 0`, "ctr left a process behind"},
		"a child escapes":      {has + `setsid sleep 3 & exit 0`, "ctr left a process behind"},
	} {
		t.Run(name, func(t *testing.T) {
			c1, _ := fakeCtr(t, c.script)
			o := testOptions(t)
			o.Limits.Bytes = 1 << 20
			begin := time.Now()
			_, err := c1.find(t.Context(), image.Reference{Transport: image.Containerd, Path: "app:1"}, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if took := time.Since(begin); took > 6*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// What ctr started ends with it, and when the pull is given up.
func TestCtrEndsWithItsChildren(t *testing.T) {
	const script = has + `sleep 60 & echo $! >$DIR/child; echo $$ >$DIR/self; wait`
	c, dir := fakeCtr(t, script)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 100 {
			if _, err := os.Stat(dir + "/self"); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	if _, err := c.find(ctx, image.Reference{Transport: image.Containerd, Path: "app:1"}, testOptions(t)); err == nil {
		t.Error("it found an image")
	}
	for _, name := range []string{"child", "self"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if alive(pid) {
			t.Errorf("%s %d is alive", name, pid)
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// alive reports whether a process runs; one that nobody waits for does not.
func alive(pid int) bool {
	for range 20 {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(data), ") Z ") {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

func TestCtrIsToldWhatToDo(t *testing.T) {
	c, dir := fakeCtr(t, `echo "$@" >>$DIR/said; env >$DIR/env
case "$*" in *" ls "*) echo docker.io/library/app:1; exit;; esac; exit 1`)
	t.Setenv("SECRET", "x")
	o := testOptions(t)
	o.Arch = "arm64"
	if _, err := c.find(t.Context(), image.Reference{Transport: image.Containerd, Path: "app:1"}, o); err == nil {
		t.Error("it found an image")
	}
	said, err := os.ReadFile(dir + "/said")
	if err != nil {
		t.Fatal(err)
	}
	start := "--address " + dir + "/s --namespace default images "
	want := start + `ls -q name=="docker.io/library/app:1" name=="app:1"` + "\n" +
		start + "export --platform linux/arm64 - docker.io/library/app:1\n"
	if string(said) != want {
		t.Errorf("ctr was told\n%swant\n%s", said, want)
	}
	if env, err := os.ReadFile(dir + "/env"); err != nil || strings.Contains(string(env), "SECRET") {
		t.Errorf("its environment is %s, %v", env, err)
	}
}

func TestContainerdIsNotHere(t *testing.T) {
	t.Setenv("CONTAINERD_ADDRESS", "/nonexistent/containerd.sock")
	hasNotEngine(t, image.Containerd)
	for key, value := range map[string]string{"CONTAINERD_ADDRESS": "relative", "CONTAINERD_NAMESPACE": "--help"} {
		t.Run(key, func(t *testing.T) {
			t.Setenv(key, value)
			if _, err := containerdHere(t.Context()); problem.HintOf(err) == "" || !strings.Contains(err.Error(), key) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestContainerdWithoutCtr(t *testing.T) {
	c, dir := fakeCtr(t, "")
	t.Setenv("CONTAINERD_ADDRESS", "unix://"+dir+"/s")
	t.Setenv("PATH", dir)
	if here, err := containerdHere(t.Context()); err != nil || here.ctr != c.ctr || here.address != c.address || here.namespace != c.namespace {
		t.Errorf("%+v, %v", here, err)
	}
	t.Setenv("PATH", "/nonexistent")
	if _, err := containerdHere(t.Context()); err == nil || !strings.Contains(err.Error(), "ctr is not in PATH") {
		t.Errorf("%v", err)
	}
	// The test listens itself, and its command line names no root.
	if args, err := listener(dir + "/s"); err != nil || args[0] != os.Args[0] {
		t.Errorf("listener %q, %v", args, err)
	}
	if root := c.root(); root != containerdRoot {
		t.Errorf("root %s", root)
	}
}

func TestFlagOf(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"apart":    {[]string{"containerd", "--root", "/r"}, "/r"},
		"together": {[]string{"containerd", "--root=/r"}, "/r"},
		"last":     {[]string{"containerd", "--root"}, ""},
		"none":     {[]string{"containerd", "--rootless", "/r"}, ""},
	} {
		if got := flagOf(c.args, "--root"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
