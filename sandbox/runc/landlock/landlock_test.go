package landlock

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// Nobody comes back from under Landlock: this test binary starts itself again in
// a mount namespace and a root of its own for each case.
const caseVar = "SAFE_RUN_LANDLOCK_TEST"

// tried is a case: what was changed in a tree, the rules that are applied then,
// and what becomes of a file that is made in a directory, or of a node that is opened.
type tried struct {
	Mounts, Dirs []string
	Links        map[string]string
	Rename       [2]string // before Links
	Nodes        map[string][2]uint32
	Rules        []spec.LandlockRule
	Want         map[string]string
}

func TestMain(m *testing.M) {
	text := os.Getenv(caseVar)
	if text == "" {
		os.Exit(m.Run())
	}
	runtime.LockOSThread()
	if err := try(text, os.Args[1]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func try(text, root string) error {
	var c tried
	err := errors.Join(json.Unmarshal([]byte(text), &c),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("tmpfs", root, "tmpfs", 0, "mode=755"), unix.Chroot(root), os.Chdir("/"))
	for _, at := range append([]string{"/etc", "/run"}, c.Mounts...) {
		err = errors.Join(err, os.MkdirAll(at, 0o755))
	}
	for _, at := range c.Mounts {
		err = errors.Join(err, unix.Mount("tmpfs", at, "tmpfs", 0, "mode=755"), os.MkdirAll(filepath.Join(at, "a/m"), 0o755))
	}
	if c.Rename[0] != "" {
		err = errors.Join(err, os.Rename(c.Rename[0], c.Rename[1]))
	}
	for _, at := range c.Dirs {
		err = errors.Join(err, os.MkdirAll(at, 0o755))
	}
	for at, to := range c.Links {
		err = errors.Join(err, os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(to, at))
	}
	for at, number := range c.Nodes {
		err = errors.Join(err, os.MkdirAll(filepath.Dir(at), 0o755), unix.Mknod(at, unix.S_IFCHR|0o666, int(unix.Mkdev(number[0], number[1]))))
	}
	if err != nil {
		return err
	}
	if err := Restrict(&spec.Landlock{ABI: spec.LandlockSince, Rules: c.Rules}); err != nil {
		return err
	}
	for dir, want := range c.Want {
		got := "ok"
		if _, node := c.Nodes[dir]; !node {
			dir = filepath.Join(dir, "made")
		}
		if err := os.WriteFile(dir, nil, 0o600); errors.Is(err, unix.EACCES) {
			got = "EACCES"
		} else if err != nil {
			got = err.Error()
		}
		if got != want {
			err = errors.Join(err, fmt.Errorf("%s: %s, want %s", dir, got, want))
		}
	}
	return err
}

func changes(at string, except ...string) spec.LandlockRule {
	return spec.LandlockRule{Path: at, Access: []string{spec.LandlockMake, spec.LandlockWrite}, Except: except}
}

// TestRulesAreOfMounts: a rule for a mount is for that mount, whatever the
// container's processes have put where it was before another one joins.
func TestRulesAreOfMounts(t *testing.T) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if os.Getuid() != 0 || errno != 0 || version < spec.LandlockSince {
		t.Skip("NOT CHECKED: what rules are for, without root or Landlock")
	}
	mounts := []string{"/data", "/data/a/m"}
	away := [2]string{"/data/a", "/data/b"}
	for name, c := range map[string]tried{
		"as it was": {Mounts: mounts, Rules: []spec.LandlockRule{changes("/data/a/m")},
			Want: map[string]string{"/data/a/m": "ok", "/data": "EACCES", "/etc": "EACCES", "/": "EACCES"}},
		"a link to the root": {Mounts: mounts, Rename: away, Links: map[string]string{"/data/a/m": "/"},
			Rules: []spec.LandlockRule{changes("/data/a/m")},
			Want:  map[string]string{"/etc": "EACCES", "/run": "EACCES", "/data": "EACCES"}},
		"a link above it": {Mounts: append(mounts, "/m"), Rename: away, Links: map[string]string{"/data/a": "/"},
			Rules: []spec.LandlockRule{changes("/data/a/m")}, Want: map[string]string{"/m": "EACCES"}},
		"another directory": {Mounts: mounts, Rename: away, Dirs: []string{"/data/a/m"},
			Rules: []spec.LandlockRule{changes("/data/a/m")}, Want: map[string]string{"/data/a/m": "EACCES"}},
		"links of the image": {Mounts: []string{"/run/x"}, Links: map[string]string{"/var/run": "../run", "/way": "/var/run/", "/loop": "loop"},
			Rules: []spec.LandlockRule{changes("/way/x"), changes("/loop/x"), changes("/none/x")},
			Want:  map[string]string{"/run/x": "ok", "/run": "EACCES"}},
		"devices of the root": {Nodes: map[string][2]uint32{"/dev/null": {1, 3}, "/dev/zero": {1, 5}, "/dev/kmsg": {1, 11}},
			Rules: []spec.LandlockRule{changes("/dev/null"), changes("/dev/kmsg"), changes("/etc")},
			Want:  map[string]string{"/dev/null": "ok", "/dev/zero": "EACCES", "/dev/kmsg": "EACCES", "/etc": "EACCES"}},
		"all but a mount": {Mounts: mounts, Links: map[string]string{"/link": "/data/a"},
			Rules: []spec.LandlockRule{changes("/", "/data/a/m")},
			Want:  map[string]string{"/etc": "ok", "/data/a/m": "EACCES", "/data/a": "EACCES"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/proc/self/exe", t.TempDir())
			cmd.Env = append(os.Environ(), caseVar+"="+string(text))
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, strings.TrimSpace(string(out)))
			}
		})
	}
}
