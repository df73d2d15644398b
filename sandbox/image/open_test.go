package image

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		os.Stderr.WriteString("FAIL: these tests give files to other owners and must run as root; nothing was checked\n")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), mode))
}

func mkfifo(t testing.TB, path string) {
	t.Helper()
	must(t, syscall.Mkfifo(path, 0o600))
}

// open opens s and fails when it takes long: nothing may make it wait.
func open(t *testing.T, s string, o Options) (*Image, error) {
	t.Helper()
	type result struct {
		img *Image
		err error
	}
	done := make(chan result, 1)
	go func() {
		img, err := Open(t.Context(), s, o)
		done <- result{img, err}
	}()
	select {
	case r := <-done:
		return r.img, r.err
	case <-time.After(10 * time.Second):
		t.Fatalf("opening %s hangs", s)
		return nil, nil
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "rootfs")
	must(t, os.MkdirAll(filepath.Join(root, "etc"), 0o755))
	must(t, os.Mkdir(filepath.Join(root, "usr"), 0o755))
	// A link that leads into the tree only when it is resolved inside.
	write(t, filepath.Join(root, "usr", "passwd"), "inside:x:5:5:::", 0o644)
	must(t, os.Symlink("/usr/passwd", filepath.Join(root, "etc", "passwd")))
	must(t, os.Symlink("../../../../../../../../../etc/hostname", filepath.Join(root, "etc", "group")))
	must(t, os.Symlink(root, filepath.Join(dir, "link")))

	img, err := open(t, "dir:"+filepath.Join(dir, "link"), Options{})
	must(t, err)
	if img.Spec.Rootfs != root || string(img.Spec.Passwd) != "inside:x:5:5:::" {
		t.Errorf("rootfs %s, passwd %q", img.Spec.Rootfs, img.Spec.Passwd)
	}
	must(t, img.Close())
	t.Chdir(dir)
	img, err = open(t, "dir:rootfs", Options{})
	must(t, err)
	if img.Spec.Rootfs != root || img.Spec.Reference != "dir:rootfs" {
		t.Errorf("rootfs %s of %s", img.Spec.Rootfs, img.Spec.Reference)
	}
}

// TestAccounts checks files that must be neither followed, waited for nor
// read whole.
func TestAccounts(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		what string // the error; none when empty
	}{
		"missing":         {func(string) error { return nil }, ""},
		"dangling":        {func(p string) error { return os.Symlink("nowhere", p) }, ""},
		"host's":          {func(p string) error { return os.Symlink("../../../../../../../../etc/hostname", p) }, ""},
		"a fifo":          {func(p string) error { return syscall.Mkfifo(p, 0o666) }, "not a regular file"},
		"a device":        {func(p string) error { return syscall.Mknod(p, syscall.S_IFCHR|0o666, 1<<8|5) }, "not a regular file"},
		"a directory":     {func(p string) error { return os.Mkdir(p, 0o755) }, "not a regular file"},
		"a link to /proc": {func(p string) error { return os.Symlink("/proc/self/environ", p) }, ""},
		"too large":       {func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o644), os.Truncate(p, maxAccounts+1)) }, "larger than"},
		"a loop":          {func(p string) error { return os.Symlink("passwd", p) }, "etc/passwd"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			must(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
			must(t, c.make(filepath.Join(root, "etc", "passwd")))
			img, err := open(t, "dir:"+root, Options{})
			if c.what != "" {
				if err == nil || !strings.Contains(err.Error(), c.what) {
					t.Fatalf("error %v, want %q", err, c.what)
				}
				if problem.HintOf(err) == "" {
					t.Errorf("%v has no hint", err)
				}
				return
			}
			must(t, err)
			if len(img.Spec.Passwd) > 0 {
				t.Errorf("it read %q", img.Spec.Passwd)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	must(t, os.Mkdir("tree", 0o755))
	must(t, os.Mkdir("layout", 0o755))
	write(t, "layout/oci-layout", "{}", 0o644)
	write(t, "app.tar", "tar", 0o644)
	write(t, "app", "app", 0o755)
	must(t, os.Symlink("/", "slash"))
	mkfifo(t, "fifo")
	for s, c := range map[string]struct{ what, hint string }{
		"dir:/":               {"own root filesystem", "debootstrap"},
		"dir:slash":           {"own root filesystem", "debootstrap"},
		"dir:/proc/self/root": {"own root filesystem", "debootstrap"},
		"dir:none":            {"there is no none", "check the path"},
		"dir:app":             {"not a directory", "./program"},
		"./tree":              {"is a directory", "dir:./tree"},
		"./layout":            {"is a directory", "oci:./layout"},
		"./app.tar":           {"not an executable", "docker-archive:./app.tar"},
		"./none":              {"there is no ./none", "check the path"},
		"./fifo":              {"not a regular file", "oci:DIR"},
		"oci:none":            {"there is no none", "check the path"},
		"oci:laout":           {"there is no laout", "did you mean layout ?"},
		"oci:lay:v1":          {"there is no lay", "did you mean layout ?"},
		"dir:./tre":           {"there is no ./tre", "did you mean ./tree ?"},
		"dir:gone/tree":       {"there is no gone/tree", "check the path"},
		"oci:tree":            {"has no index.json", "dir:tree"},
		"oci:layout":          {"has no index.json", "dir:layout"},
		"oci:app.tar":         {"not a directory", "oci-archive:FILE"},
		"oci-archive:tree":    {"is a directory", "oci:tree"},
		"docker-archive:fifo": {"not a regular file", ""},
	} {
		img, err := open(t, s, Options{Store: filepath.Join(dir, "store"), Program: "/bin/false"})
		if err == nil {
			t.Errorf("%s was opened as %+v", s, img.Spec)
			continue
		}
		if !strings.Contains(err.Error(), c.what) || !strings.Contains(problem.HintOf(err), c.hint) {
			t.Errorf("%s: %q, hint %q; want %q, hint %q", s, err, problem.HintOf(err), c.what, c.hint)
		}
	}
}

// TestUnpacker checks what is made of a program that fails to unpack.
func TestUnpacker(t *testing.T) {
	dir := t.TempDir()
	archive, store := filepath.Join(dir, "x.tar"), filepath.Join(dir, "store")
	write(t, archive, "tar", 0o644)
	program := filepath.Join(dir, "unpacker")
	for name, c := range map[string]struct{ script, what, hint string }{
		"says why":     {`echo '{"error":"image x: it is broken","hint":"mend it"}'; echo working >&2; exit 1`, "image x: it is broken", "mend it"},
		"says nothing": {`exit 3`, "exit status 3", "run it by hand"},
		"talks":        {`yes; exit 1`, "exit status 1", "run it by hand"},
		"does nothing": {`exit 0`, "changes while it is read", "run again"},
		"is killed":    {`kill -9 $$`, "killed", "run it by hand"},
	} {
		t.Run(name, func(t *testing.T) {
			script := strings.Replace(c.script, "yes;", "head -c 1000000 /dev/zero;", 1)
			write(t, program, "#!/bin/sh\necho \"$@\" >> "+dir+"/args\n"+script+"\n", 0o755)
			var said bytes.Buffer
			_, err := open(t, "oci-archive:"+archive+":v1", Options{Store: store, Program: program, Stderr: &said})
			if err == nil || !strings.Contains(err.Error(), c.what) || !strings.Contains(problem.HintOf(err), c.hint) {
				t.Errorf("%v, hint %q; want %q, hint %q", err, problem.HintOf(err), c.what, c.hint)
			}
			if name == "says why" && said.String() != "working\n" {
				t.Errorf("its standard error is %q", said.String())
			}
		})
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	must(t, err)
	want := `pull --format json --trust {"registries":null} --pull missing --store ` + store + " -- oci-archive:" + archive + ":v1\n"
	if !strings.HasPrefix(string(args), want) {
		t.Errorf("it was started with %q, want %q", args, want)
	}
	t.Setenv("SAFE_RUN_STORE", store+"2")
	if _, err := open(t, "oci-archive:"+archive+":v2", Options{Program: program}); err == nil {
		t.Error("opened what is not there")
	}
	args, err = os.ReadFile(filepath.Join(dir, "args"))
	if want := " --store " + store + "2 -- oci-archive:" + archive + ":v2\n"; err != nil || !strings.HasSuffix(string(args), want) {
		t.Errorf("with SAFE_RUN_STORE it was started with %q, want %q (%v)", args, want, err)
	}
	_, err = open(t, "oci-archive:"+archive, Options{Store: store, Program: filepath.Join(dir, "none")})
	if err == nil || !strings.Contains(problem.HintOf(err), "SAFE_RUN_IMAGE") {
		t.Errorf("without the program: %v, hint %q", err, problem.HintOf(err))
	}
}

func TestUnpackerStops(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "x.tar"), "tar", 0o644)
	program := filepath.Join(dir, "unpacker")
	write(t, program, "#!/bin/sh\ntrap 'echo stopped > "+dir+"/stopped; exit 1' TERM\ntouch "+dir+"/started\nwhile :; do sleep 0.02; done\n", 0o755)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !exists(filepath.Join(dir, "started")) {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	_, err := Open(ctx, "oci-archive:"+filepath.Join(dir, "x.tar"), Options{Store: filepath.Join(dir, "store"), Program: program})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if !exists(filepath.Join(dir, "stopped")) {
		t.Error("the unpacker was not told to stop")
	}
}

// TestLight checks what the launcher links for images: none of what reads
// foreign formats or speaks to a network.
func TestLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	must(t, err)
	for dep := range strings.Lines(string(out)) {
		for _, heavy := range []string{"github.com/google/", "github.com/containerd/", "github.com/klauspost/", "github.com/sirupsen/", "net/http", "crypto/tls", "archive/"} {
			if strings.HasPrefix(dep, heavy) {
				t.Errorf("it imports %s", strings.TrimSpace(dep))
			}
		}
	}
	if !strings.Contains(string(out), "sandbox/image\n") {
		t.Errorf("go list said %q", out)
	}
}
