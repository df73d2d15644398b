package integration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
	"github.com/safe-run/safe-run/sandbox/image"
)

// machine is a host with a store, a floor and a home of its own: in a mount
// namespace, over those of the real one.
type machine struct {
	t     *testing.T
	store string
	etc   string // over /etc/safe-run
	home  string
	env   []string
}

// atHome puts two directories over those of the host, in a namespace that ends
// with the program which it becomes.
const atHome = `mount --bind "$1" ` + image.DefaultStore + ` && mount --bind "$2" /etc/safe-run && shift 2 && exec "$@"`

// newMachine is for tests that need root; its store is in memory, so that a
// slow disk is not most of the time.
func newMachine(t *testing.T) *machine {
	t.Helper()
	needRoot(t)
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("NOT CHECKED: unshare(1) is not installed")
	}
	built(t)
	m := &machine{t: t, store: inMemory(t), etc: t.TempDir(), home: t.TempDir()}
	for _, dir := range []string{image.DefaultStore, "/etc/safe-run"} {
		mountPoint(t, dir)
	}
	leaks.Check(t)
	// The host's own engines, policy and names must not matter.
	none := m.write("home/none.conf", "[storage]\ndriver = \"overlay\"\ngraphroot = \""+m.home+"/graph\"\nrunroot = \""+m.home+"/run\"\n")
	m.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + m.home, "LANG=C",
		"DOCKER_HOST=unix://" + m.home + "/none", "CONTAINERD_ADDRESS=" + m.home + "/none", "CONTAINERS_STORAGE_CONF=" + none,
	}
	m.write("home/.config/containers/policy.json", `{"default":[{"type":"insecureAcceptAnything"}]}`)
	m.write("home/.config/containers/registries.conf", "unqualified-search-registries = []\n")
	return m
}

// mountPoint makes a directory of the host where there is none, and takes it
// away again.
func mountPoint(t *testing.T, dir string) {
	t.Helper()
	err := os.Mkdir(dir, 0o700)
	if os.IsExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) }) // stays when another has put something there
}

// inMemory is a directory on a tmpfs where there is one.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "integration-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// with is the same machine for a subtest.
func (m *machine) with(t *testing.T) *machine {
	other := *m
	other.t = t
	return &other
}

// write writes a file of the machine: home/... or etc/..., and gives its path.
func (m *machine) write(name, content string) string {
	m.t.Helper()
	kind, rest, _ := strings.Cut(name, "/")
	path := filepath.Join(map[string]string{"home": m.home, "etc": m.etc}[kind], rest)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// command is one of the two programs, about to be started on the machine.
func (m *machine) command(program string, args ...string) *exec.Cmd {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	m.t.Cleanup(cancel)
	words := append([]string{"--mount", "--propagation", "slave", "sh", "-c", atHome, "sh", m.store, m.etc, program}, args...)
	cmd := exec.CommandContext(ctx, "unshare", words...)
	cmd.Env = m.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// launcher is safe-run, images is safe-run-image.
func (m *machine) launcher(args ...string) *exec.Cmd { return m.command(built(m.t).safeRun, args...) }
func (m *machine) images(args ...string) *exec.Cmd {
	return m.command(built(m.t).safeRun+"-image", args...)
}

// run runs safe-run to its end.
func (m *machine) run(args ...string) result {
	m.t.Helper()
	return finish(m.t, m.launcher(args...))
}

// image runs a verb of safe-run-image to its end.
func (m *machine) image(args ...string) result {
	m.t.Helper()
	return finish(m.t, m.images(args...))
}

// must runs a verb of safe-run-image that has to succeed, and gives its line.
func (m *machine) must(args ...string) string {
	m.t.Helper()
	r := m.image(args...)
	if r.code != 0 {
		m.t.Fatalf("safe-run-image %v: exit code %d\n%s%s", args, r.code, r.out, r.err)
	}
	return r.line()
}

// alone runs safe-run where nobody can fetch images: with what is in the store
// or not at all.
func (m *machine) alone(args ...string) result {
	m.t.Helper()
	cmd := m.launcher(args...)
	cmd.Env = append(cmd.Env, "SAFE_RUN_IMAGE=/bin/false")
	return finish(m.t, cmd)
}

// says checks what a run printed.
func says(t *testing.T, r result, want, what string) {
	t.Helper()
	if r.code != 0 || r.line() != want {
		t.Errorf("%s: %q (exit code %d), want %q\n%s", what, r.line(), r.code, want, r.err)
	}
}

// refused checks that a run failed as the launcher's, in one line that has
// these words and one with a hint.
func refused(t *testing.T, r result, what string, words ...string) {
	t.Helper()
	if r.code != 125 || r.out != "" {
		t.Errorf("%s: exit code %d and %q, want 125 and nothing\n%s", what, r.code, r.out, r.err)
	}
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	last := max(0, len(lines)-2)
	if len(lines) < 2 || !strings.HasPrefix(lines[last], "safe-run: ") || !strings.HasPrefix(lines[last+1], "hint: ") {
		t.Errorf("%s: not one line and a hint:\n%s", what, r.err)
		return
	}
	for _, said := range lines[:last] { // how the image came along
		if strings.HasPrefix(said, "safe-run: ") || strings.HasPrefix(said, "hint: ") {
			t.Errorf("%s: more than one line and a hint:\n%s", what, r.err)
		}
	}
	for _, word := range words {
		if !strings.Contains(lines[last], word) {
			t.Errorf("%s: it does not say %q:\n%s", what, word, r.err)
		}
	}
}

// left lists what is unfinished in the store.
func (m *machine) left() (names []string) {
	m.t.Helper()
	for _, dir := range []string{"tmp", "partial"} {
		entries, err := os.ReadDir(filepath.Join(m.store, dir))
		if err != nil {
			m.t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, dir+"/"+e.Name())
		}
	}
	return names
}

// tidy checks that nothing unfinished is in the store.
func (m *machine) tidy(when string) {
	m.t.Helper()
	if left := m.left(); len(left) > 0 {
		m.t.Errorf("%s: %q is left in the store", when, left)
	}
}
