package pack

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/pull"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// directory makes something to pack.
func directory(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rootfs")
	must(t, os.MkdirAll(filepath.Join(dir, "bin"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "bin", "app"), []byte("app"), 0o755))
	must(t, os.Link(filepath.Join(dir, "bin", "app"), filepath.Join(dir, "bin", "hard")))
	must(t, os.Symlink("../../../etc/passwd", filepath.Join(dir, "link")))
	must(t, os.Symlink("/", filepath.Join(dir, "up")))
	must(t, os.Mkdir(filepath.Join(dir, "srv"), 0o700))
	must(t, os.Chown(filepath.Join(dir, "srv"), 33, 34))
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	must(t, syscall.Mknod(filepath.Join(dir, "null"), syscall.S_IFCHR|0o666, 1<<8|3))
	return dir
}

func TestImage(t *testing.T) {
	from, out := directory(t), t.TempDir()
	config := spec.ImageConfig{User: "33", Cmd: []string{"/bin/app", "-x"}, ExposedPorts: []string{"80/tcp"}}
	pack := func(to string) string {
		t.Helper()
		digest, err := Image(t.Context(), Options{From: from, To: to, Config: config})
		must(t, err)
		return digest
	}
	first := pack("oci:" + out + "/layout:app:1")
	must(t, os.Chtimes(filepath.Join(from, "bin", "app"), time.Now(), time.Now()))
	if again := pack("oci:" + out + "/other"); again != first {
		t.Errorf("the same files made %s, then %s", first, again)
	}
	if again := pack("oci:" + out + "/layout:app:1"); again != first { // in its own place
		t.Errorf("the same files made %s, then %s", first, again)
	}
	pack("docker-archive:" + out + "/app.tar:app:1")
	for _, reference := range []string{"oci:" + out + "/layout", "oci:" + out + "/layout:app:1", "oci:" + out + "/other", "docker-archive:" + out + "/app.tar:app:1"} {
		record, err := pull.Pull(t.Context(), reference, pull.Options{Store: out + "/store"})
		must(t, err)
		store, err := image.OpenStore(out + "/store")
		must(t, err)
		entry := store.Entry(record.Digest)
		if c := entry.Config; c.User != "33" || len(c.Cmd) != 2 || c.ExposedPorts[0] != "80/tcp" {
			t.Errorf("%s has config %+v", reference, c)
		}
		assertPacked(t, store.Trees(entry)[0])
	}
	left, err := filepath.Glob(out + "/.safe-run-pack-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func assertPacked(t *testing.T, root string) {
	t.Helper()
	var app, hard, srv syscall.Stat_t
	must(t, syscall.Lstat(filepath.Join(root, "bin/app"), &app))
	must(t, syscall.Lstat(filepath.Join(root, "bin/hard"), &hard))
	must(t, syscall.Lstat(filepath.Join(root, "srv"), &srv))
	if app.Ino != hard.Ino || app.Mode&0o777 != 0o755 || app.Mtim.Sec != 0 {
		t.Errorf("bin/app %+v, bin/hard %+v", app, hard)
	}
	if srv.Uid != 33 || srv.Gid != 34 || srv.Mode&0o777 != 0o700 {
		t.Errorf("srv %+v", srv)
	}
	if to, err := os.Readlink(filepath.Join(root, "link")); err != nil || to != "../../../etc/passwd" {
		t.Errorf("link leads to %q, %v", to, err)
	}
	if info, err := os.Lstat(filepath.Join(root, "pipe")); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("pipe is %v, %v", info, err)
	}
	if _, err := os.Lstat(filepath.Join(root, "null")); err == nil {
		t.Error("a device was packed")
	}
}

func TestImageRefuses(t *testing.T) {
	from, out := directory(t), t.TempDir()
	foreign := filepath.Join(t.TempDir(), "foreign")
	must(t, os.MkdirAll(foreign, 0o755))
	must(t, os.WriteFile(filepath.Join(foreign, "f"), nil, 0o644))
	must(t, os.Chown(filepath.Join(foreign, "f"), 100000, 0))
	for name, c := range map[string]struct {
		o          Options
		what, hint string
	}{
		"nothing":           {Options{To: "oci:" + out + "/x"}, "no directory", "--from"},
		"nowhere":           {Options{From: from}, "no place", "--to"},
		"missing":           {Options{From: out + "/none", To: "oci:" + out + "/x"}, "no such file", "--from"},
		"a file":            {Options{From: from + "/bin/app", To: "oci:" + out + "/x"}, "not a directory", "--from"},
		"the host":          {Options{From: "/", To: "oci:" + out + "/x"}, "own root", "debootstrap"},
		"into itself":       {Options{From: from, To: "oci:" + from + "/image"}, "part of itself", "elsewhere"},
		"no parent":         {Options{From: from, To: "oci:" + out + "/a/b"}, "no such file", "mkdir -p " + out + "/a"},
		"full directory":    {Options{From: out, To: "oci:" + from}, "neither empty nor", "new or empty"},
		"another form":      {Options{From: from, To: "dir:" + out + "/x"}, "cannot be written", "--to oci:DIR"},
		"a bare name":       {Options{From: from, To: "app:1"}, "cannot be written", "--to oci:DIR"},
		"docker, no name":   {Options{From: from, To: "docker-archive:" + out + "/x.tar"}, "no name", "app:1.0"},
		"docker, bad name":  {Options{From: from, To: "docker-archive:" + out + "/x.tar:UPPER:1"}, "no name", "app:1.0"},
		"owner of the host": {Options{From: foreign, To: "oci:" + out + "/x"}, "f belongs to 100000:0", "chown"},
		"no value":          {Options{From: from, To: "oci:" + out + "/x", Config: spec.ImageConfig{Env: []string{"A"}}}, `"A"`, "NAME=value"},
		"bad port":          {Options{From: from, To: "oci:" + out + "/x", Config: spec.ImageConfig{ExposedPorts: []string{"x"}}}, "port", ""},
	} {
		_, err := Image(t.Context(), c.o)
		if err == nil || !strings.Contains(err.Error(), c.what) || !strings.Contains(problem.HintOf(err), c.hint) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, hint %q; want %q, hint %q", name, err, problem.HintOf(err), c.what, c.hint)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Image(ctx, Options{From: from, To: "oci:" + out + "/x"}); err == nil {
		t.Error("it went on after its context had ended")
	}
	left, err := os.ReadDir(out)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
