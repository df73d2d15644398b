package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// program is the real one, built as it is installed: it gives up capabilities
// and the network only without cgo, which a test binary has. It is built when
// a test needs it.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, image.Fetcher)
	cmd := exec.Command("go", "build", "-tags", "netgo osusergo containers_image_openpgp exclude_graphdriver_btrfs", "-o", path, "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, said)
	}
	return path, nil
})

// scratch is a directory that is there while the tests run.
var scratch string

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests give files to other owners and must run as root; nothing was checked")
		os.Exit(1)
	}
	testscript.Main(tidied{m}, map[string]func(){"open": openMain, "mkimage": mkimageMain, "hold": holdMain})
}

// tidied removes what was built.
type tidied struct{ m *testing.M }

func (t tidied) Run() int {
	var err error
	if scratch, err = os.MkdirTemp("", "safe-run-image-test-"); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return t.m.Run()
}

// built gives the program.
func built(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestScripts(t *testing.T) {
	dir := filepath.Dir(built(t))
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", dir+":"+e.Getenv("PATH"))
			return nil
		},
	})
}

// waiting starts the program and gives it when it waits for a lock of the
// store, with nothing done yet.
func waiting(t *testing.T) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	layout, store := filepath.Join(dir, "layout"), filepath.Join(dir, "store")
	if err := imagetest.New(spec.ImageConfig{}, imagetest.Files{"x": {}}).Layout(layout, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := image.CreateStore(store); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(filepath.Join(store, "tmp"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if err := image.Flock(t.Context(), lock, syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(built(t), "pull", "--store", store, "oci:"+layout)
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	held := fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid)
	for deadline := time.Now().Add(10 * time.Second); !opens(held, filepath.Join(store, "tmp")); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the program does not wait for the lock")
		}
	}
	return cmd
}

// TestInterrupted checks that the program ends when it is told to.
func TestInterrupted(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		cmd := waiting(t)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		said := cmd.Stderr.(*bytes.Buffer).String()
		if cmd.ProcessState.ExitCode() != exitInterrupted || !strings.HasSuffix(said, ": interrupted\n") || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: %v, standard error %q", signal, cmd.ProcessState, said)
		}
	}
}

// TestConfined looks at every thread of the program.
func TestConfined(t *testing.T) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", waiting(t).Process.Pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, path := range threads {
		status, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// CHOWN is 0, DAC_OVERRIDE 1, FOWNER 3.
		for _, line := range []string{"NoNewPrivs:\t1", "CapPrm:\t000000000000000b", "CapEff:\t000000000000000b", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000"} {
			if !strings.Contains(string(status), line) {
				t.Errorf("%s does not have %q", path, line)
			}
		}
	}
}

// TestNoNetwork checks that every thread of the program is in one network
// namespace, which is not this one, when the image is local.
func TestNoNetwork(t *testing.T) {
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	pid := waiting(t).Process.Pid
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/ns/net", pid))
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads %q: %v", threads, err)
	}
	var first string
	for _, thread := range threads {
		there, err := os.Readlink(thread)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = there
		}
		if there == here || there != first {
			t.Errorf("%s is %s; this is %s, the first thread's %s", thread, there, here, first)
		}
	}
	routes, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/route", pid))
	if err != nil || strings.Count(string(routes), "\n") > 1 {
		t.Errorf("routes: %s %v", routes, err)
	}
}

// opens reports whether one of the descriptors in dir is of path.
func opens(dir, path string) bool {
	fds, _ := filepath.Glob(dir + "/*")
	return slices.ContainsFunc(fds, func(fd string) bool {
		to, err := os.Readlink(fd)
		return err == nil && to == path
	})
}

// openMain opens an image as the launcher does: open STORE REFERENCE.
func openMain() {
	img, err := image.Open(context.Background(), os.Args[2], image.Options{Store: os.Args[1], Stderr: os.Stderr})
	if err != nil {
		fmt.Fprintf(os.Stderr, "open: %v\nhint: %s\n", err, problem.HintOf(err))
		os.Exit(1)
	}
	defer img.Close()
	fmt.Printf("%s\n%s\n%q\n", img.Spec.Digest, strings.Join(img.Spec.Layers, " "), img.Spec.Config.Cmd)
}

// holdMain runs a program while an image is in use: hold STORE DIGEST PROGRAM...
func holdMain() {
	store, err := image.OpenStore(os.Args[1])
	if err == nil {
		var lock *image.Lock
		lock, err = store.Share(context.Background(), os.Args[2])
		defer lock.Release()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(2)
	}
	cmd := exec.Command(os.Args[3], os.Args[4:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if cmd.Run() != nil {
		os.Exit(1)
	}
}

// exits runs a program and checks its exit code: exits 125 safe-run-image ...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// mkimageMain makes an image: mkimage FORM PATH NAME CONTENT. A content of
// "hostile" makes one that is refused.
func mkimageMain() {
	files := imagetest.Files{
		"bin/app": {Mode: 0o755, Content: os.Args[4]},
		"link":    {Mode: fs.ModeSymlink | 0o777, Content: "bin/app"},
		"srv":     {Mode: fs.ModeDir | fs.ModeSticky, UID: 33, GID: 33},
		"srv/own": {Mode: 0o400, UID: 34, GID: 34, Xattrs: map[string]string{"user.a": "b"}},
	}
	if os.Args[4] == "hostile" {
		files["../../escaped"] = imagetest.File{}
	}
	img := imagetest.New(spec.ImageConfig{Cmd: []string{"/bin/app", os.Args[4]}}, files)
	write := map[string]func(path, name string) error{
		"oci": img.Layout, "oci-archive": img.OCIArchive, "docker-archive": img.DockerArchive,
	}[os.Args[1]]
	if err := write(os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}
