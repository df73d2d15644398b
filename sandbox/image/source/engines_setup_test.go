package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// The tests here run the real engines, each with a root, a socket and a
// process of its own.

// testOptions are options whose scratch files are in a directory of the test.
func testOptions(t *testing.T) Options {
	t.Helper()
	return Options{Arch: runtime.GOARCH, Limits: bounds.Default, Note: func(s string) { t.Log(s) },
		Scratch: func(name string) (*os.File, error) {
			f, err := os.CreateTemp(t.TempDir(), name)
			if err != nil {
				return nil, err
			}
			return f, os.Remove(f.Name())
		}}
}

// aRealImage has what engines handle in ways of their own: a symbolic link
// with files behind it, a hard link, an empty file, a name that is not ASCII,
// a whiteout.
func aRealImage() imagetest.Image {
	return imagetest.New(spec.ImageConfig{Entrypoint: []string{"/bin/app"}, Env: []string{"A=b"}, WorkingDir: "/srv"},
		imagetest.Files{
			"bin":          {Mode: os.ModeDir | 0o755},
			"bin/app":      {Mode: 0o755, Content: strings.Repeat("program ", 5000)},
			"etc":          {Mode: os.ModeDir | 0o755},
			"etc/private":  {Mode: 0o400, UID: 7, GID: 8, Content: "of somebody else"},
			"etc/empty":    {Mode: 0o600, UID: 7, GID: 8},
			"etc/größe":    {Content: "non-ASCII"},
			"lib64":        {Mode: os.ModeSymlink | 0o777, Content: "/usr/lib64"},
			"usr":          {Mode: os.ModeDir | 0o755},
			"usr/lib64":    {Mode: os.ModeDir | 0o755},
			"usr/lib64/so": {Content: "library"},
			"usr/same":     {HardLink: "bin/app"},
		},
		imagetest.Files{"etc/.wh.empty": {}, "etc/more": {Content: "second layer"}},
	)
}

// needs skips the test unless it is root's and the programs are installed.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT CHECKED: engines are not started with -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT CHECKED: engines need root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("NOT CHECKED: %v", err)
		}
	}
}

// start runs an engine until the test ends and waits for its socket.
func start(t *testing.T, socket, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Skipf("NOT CHECKED: %s does not start: %v", program, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			return
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%s does not end", program)
			cmd.Process.Kill()
			<-ended
		}
		log.Close()
	})
	for range 200 {
		select {
		case err := <-ended:
			ended <- err
			said, _ := os.ReadFile(log.Name())
			t.Skipf("NOT CHECKED: %s does not start here: %v\n%s", program, err, said)
		default:
		}
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(log.Name())
	t.Skipf("NOT CHECKED: %s is not ready after 10 s\n%s", program, said)
}

// engineDir is a directory with a short path: a socket's has 108 bytes.
func engineDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, m := range mountsBelow(t, dir) {
			unix.Unmount(m, unix.MNT_DETACH)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// mountsBelow lists what is mounted below dir, innermost first.
func mountsBelow(t *testing.T, dir string) []string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			found = append(found, f[4])
		}
	}
	slices.Reverse(found)
	return found
}

// run runs a command that the test needs.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// find finds an image and reads its layers to their ends.
func find(t *testing.T, s string, o Options) *Image {
	t.Helper()
	ref, err := image.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	if ref, err = image.Locate(ref); err != nil {
		t.Fatal(err)
	}
	found, err := Find(t.Context(), ref, o)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	t.Cleanup(func() {
		if err := found.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, l := range found.Layers {
		checkRead(t, l, i)
	}
	return found
}

// checkRead reads a layer to its end and from its middle, and checks that it
// is what it is said to be.
func checkRead(t *testing.T, l Layer, i int) {
	t.Helper()
	r, err := l.Open(t.Context(), 0)
	if err != nil {
		t.Fatalf("layer %d: %v", i, err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("layer %d: %v", i, err)
	}
	if got := hashBytes(data); got != l.Digest || l.Size >= 0 && l.Size != int64(len(data)) {
		t.Fatalf("layer %d: %d bytes with digest %s, want %d with %s", i, len(data), got, l.Size, l.Digest)
	}
	plain, err := Decompress(bufio.NewReader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if got, err := hashOf(plain); err != nil || got != l.DiffID {
		t.Fatalf("layer %d: diff id %s, %v, want %s", i, got, err, l.DiffID)
	}
	half := len(data) / 2
	if r, err = l.Open(t.Context(), int64(half)); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(rest, data[half:]) {
		t.Fatalf("layer %d: reading from %d gives %d bytes, %v", i, half, len(rest), err)
	}
}

// changes checks that an image's stamps hold now and no longer hold once act
// was run.
func changes(t *testing.T, found *Image, act func()) {
	t.Helper()
	if len(found.Stamps) == 0 || !image.Fresh(found.Stamps) {
		t.Errorf("stamps %+v do not hold", found.Stamps)
	}
	act()
	if image.Fresh(found.Stamps) {
		t.Errorf("stamps %+v hold after the tag was changed", found.Stamps)
	}
}

// hasNot checks that an engine says that it does not have an image.
func hasNot(t *testing.T, s string, o Options) {
	t.Helper()
	ref, err := image.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Find(t.Context(), ref.Full(), o)
	var no elsewhere
	if !errors.As(err, &no) || no.why != "no such image" || problem.HintOf(err) == "" {
		t.Errorf("%s: %v", s, err)
	}
}

// settle waits until a file is not written to any more: after an import,
// containerd collects garbage.
func settle(t *testing.T, file string) {
	t.Helper()
	for range 10 {
		before, err := image.StampOf(file)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(600 * time.Millisecond)
		if image.Fresh([]image.Stamp{before}) {
			return
		}
	}
	t.Fatalf("%s is written to all the time", file)
}

// emptyStore is the configuration of a podman store that does not exist.
func emptyStore(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "storage.conf")
	if err := os.WriteFile(file, []byte("[storage]\ndriver = \"overlay\"\ngraphroot = \""+dir+"/graph\"\nrunroot = \""+dir+"/run\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// written is the image and an archive of it, called docker.io/acme/app:1.
func written(t *testing.T, o Options) (*Image, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := aRealImage().OCIArchive(file, "docker.io/acme/app:1"); err != nil {
		t.Fatal(err)
	}
	return find(t, "oci-archive:"+file, o), file
}

// treeOf lists what is in a directory and when it changed.
func treeOf(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		all = append(all, fmt.Sprint(path, " ", info.Mode(), " ", info.Size(), " ", info.ModTime()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(all, mountsBelow(t, dir)...)
}
