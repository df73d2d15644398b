// Package integration holds the tests that run the program itself on the real
// kernel: what a container sees from inside, how it ends, and what it leaves.
package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
)

// scratch is removed when all tests are over.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(suite(m))
}

func suite(m *testing.M) int {
	// A signal that is ignored here, as under nohup(1), would be in every
	// launcher; one that is caught has its default in them.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	before := leaks.Take()
	var err error
	if scratch, err = os.MkdirTemp("", "integration"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	// What each test left was its own matter to find; this is for what only
	// shows when all is over.
	for _, left := range before.Settled(leaks.Patience) {
		fmt.Fprintln(os.Stderr, "after all tests:", left)
		code = 1
	}
	return code
}

// needRoot skips a test that starts containers when that is not possible.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root: no container was started")
	}
}

// programs are the product and what runs inside, built once.
type programs struct {
	safeRun string // beside it is safe-run-image
	peek    string
	root    string // a root filesystem that holds peek
}

var build = sync.OnceValues(func() (programs, error) {
	bin := filepath.Join(scratch, "bin")
	given := os.Getenv("SAFE_RUN_BIN") // where there is no compiler
	if given != "" {
		bin = given
	}
	p := programs{safeRun: filepath.Join(bin, "safe-run"), peek: filepath.Join(bin, "peek"), root: filepath.Join(scratch, "root")}
	if given != "" {
		return p, makeRoot(p)
	}
	// The same command that users type.
	if out, err := exec.Command("make", "-C", "..", "build", "BIN="+bin).CombinedOutput(); err != nil {
		return p, fmt.Errorf("make build: %w\n%s", err, out)
	}
	peek := exec.Command("go", "build", "-o", p.peek, "./peek")
	peek.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := peek.CombinedOutput(); err != nil {
		return p, fmt.Errorf("build peek: %w\n%s", err, out)
	}
	return p, makeRoot(p)
})

func built(t *testing.T) programs {
	t.Helper()
	p, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// appUser is the user that the tests' image has beside root, and the owner of
// its /data.
const appUser = 1000

// makeRoot makes a small root filesystem: peek, accounts, a directory of the
// application's user, and two that everybody may write.
func makeRoot(p programs) error {
	files := map[string]string{
		"etc/passwd": "root:x:0:0::/:/peek\napp:x:1000:1000::/data:/peek\n",
		"etc/group":  "root:x:0:\napp:x:1000:\nextra:x:1001:app\n",
	}
	for name, content := range files {
		path := filepath.Join(p.root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			return err
		}
	}
	for dir, mode := range map[string]os.FileMode{"tmp": 0o777 | os.ModeSticky, "open": 0o777, "data": 0o755} {
		path := filepath.Join(p.root, dir)
		if err := errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, mode)); err != nil {
			return err
		}
	}
	peek, err := os.ReadFile(p.peek)
	return errors.Join(err,
		os.WriteFile(filepath.Join(p.root, "peek"), peek, 0o755),
		os.WriteFile(filepath.Join(p.root, "text"), []byte("not a program\n"), 0o644),
		os.Lchown(filepath.Join(p.root, "data"), appUser, appUser),
	)
}
