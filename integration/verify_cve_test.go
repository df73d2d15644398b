package integration

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec/battery"
)

// flaw is one of runc's, as an image or a command line that made use of it. The
// kinds that need a race to be won are here in the form in which the attacker has
// already won: the symbolic link is there from the beginning.
type flaw struct {
	cve, what string
	image     func(root, trap string) error // changes the root filesystem
	flags     func(host string) []string
}

func link(root, name, target string) error {
	at := filepath.Join(root, name)
	return errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.RemoveAll(at), os.Symlink(target, at))
}

func noFlags(string) []string { return nil }

func links(pairs ...string) func(root, trap string) error {
	return func(root, trap string) error {
		var err error
		for i := 0; i < len(pairs); i += 2 {
			err = errors.Join(err, link(root, pairs[i], strings.ReplaceAll(pairs[i+1], "TRAP", trap)))
		}
		return err
	}
}

func flags(list ...string) func(string) []string {
	return func(host string) []string {
		var out []string
		for _, f := range list {
			out = append(out, strings.ReplaceAll(f, "HOST", host))
		}
		return out
	}
}

var flaws = func() []flaw {
	up := strings.Repeat("../", 12)
	all := []flaw{
		{"none", "an image without a flaw runs", links(), noFlags},
		{"CVE-2019-5736", "the program is a link to the launcher", links("bin/sh", "/proc/self/exe"), noFlags},
		{"CVE-2019-16884", "a bind mount over /proc", links(), flags("-v", "HOST:/proc:ro")},
		{"CVE-2019-16884", "a bind mount over the masks", links(), flags("-v", "HOST:/proc/sys:ro")},
		{"CVE-2019-19921", "/proc is a link out of the image", links("proc", up+"TRAP"), noFlags},
		{"CVE-2021-30465", "a mount point below a link out of the image", links("data", "/"+up+"TRAP"), flags("-v", "HOST:/data/inner:ro")},
		{"CVE-2021-30465", "a mount point that is a link into /proc", links("data", "/proc/self/fd"), flags("-v", "HOST:/data/inner:ro")},
		{"CVE-2021-43784", "sources of mounts that are longer together than a length of 16 bits", links(), longSources},
		{"CVE-2023-27561", "/proc is a link to another directory", links("proc", "/tmp"), noFlags},
		{"CVE-2023-28642", "/proc and /sys are links to each other", links("proc", "/sys", "sys", "/proc"), noFlags},
		{"CVE-2024-45310", "a mount point below a link that leads nowhere", links("data", "TRAP/made"), flags("-v", "HOST:/data/inner:ro")},
		{"CVE-2025-31133", "/dev/null is a link to a kernel setting", links("dev/null", "/proc/sys/kernel/core_pattern"), noFlags},
		{"CVE-2025-31133", "/dev is a link to /proc", links("dev", "/proc"), noFlags},
		{"CVE-2025-52565", "/dev/console and /dev/pts are links to kernel settings",
			links("dev/console", "/proc/sys/kernel/core_pattern", "dev/pts", "/proc/sys"), noFlags},
		{"CVE-2025-52881", "what labels and sysctls are written to is a link", links("proc", "/run/elsewhere", "run", "/dev"), noFlags},
		{"CVE-2026-41579", "/dev/pts is a link", links("dev/pts", up+"TRAP", "dev/ptmx", "/proc/sysrq-trigger"), noFlags},
	}
	for fd := 3; fd < 12; fd++ {
		all = append(all, flaw{"CVE-2024-21626", fmt.Sprintf("the working directory is descriptor %d", fd), links(),
			flags("-w", fmt.Sprintf("/proc/self/fd/%d", fd))})
	}
	return all
}()

// longSources are twenty mounts of one directory, by names of 4000 bytes.
func longSources(host string) []string {
	var out []string
	for i := range 20 {
		out = append(out, "-v", host+strings.Repeat("/.", (4000-len(host))/2)+fmt.Sprintf(":/data%d:ro", i))
	}
	return out
}

// runcAdvisories are those of runc since CVE-2019-5736, as its security page lists
// them. Each is a flaw above, or has the reason why it can be no image and no
// command line, and what looks at it instead.
var runcAdvisories = map[string]string{
	"CVE-2019-5736": "", "CVE-2019-16884": "", "CVE-2019-19921": "", "CVE-2021-30465": "", "CVE-2021-43784": "",
	"CVE-2022-29162": "of `runc exec --cap`, which gave inheritable capabilities: the tests of exec and TestDefaults read CapInh, which is empty",
	"CVE-2023-25809": "of rootless runc without a cgroup namespace, whose /sys/fs/cgroup could be written: M13 looks for the namespace, and the mount is read-only in every plan (golden plans)",
	"CVE-2023-27561": "", "CVE-2023-28642": "", "CVE-2024-21626": "", "CVE-2024-45310": "",
	"CVE-2025-31133": "", "CVE-2025-52565": "", "CVE-2025-52881": "", "CVE-2026-41579": "",
}

// TestCVEList: no advisory is left out without a reason.
func TestCVEList(t *testing.T) {
	for cve, why := range runcAdvisories {
		if there := slices.ContainsFunc(flaws, func(f flaw) bool { return f.cve == cve }); there != (why == "") {
			t.Errorf("%s: among the flaws: %v; reason why not: %q", cve, there, why)
		}
	}
	for _, f := range flaws {
		if _, known := runcAdvisories[f.cve]; !known && f.cve != "none" {
			t.Errorf("%s is not listed", f.cve)
		}
	}
}

// mounts, files and programs are what the flaws let out of the container.
var flawProbes = []string{"M12", "M13", "M14", "M15", "M16", "F01", "F02", "F04", "F05", "F08", "F09", "F10", "F11", "F12", "N14", "R08"}

// TestCVE: each flaw is refused in one line, or harmless: the container runs, all
// that was open then is closed, and nothing outside has changed.
func TestCVE(t *testing.T) {
	needRoot(t)
	program, err := os.ReadFile(built(t).safeRun)
	if err != nil {
		t.Fatal(err)
	}
	before := hostState(t, program)
	for _, flaw := range flaws {
		t.Run(flaw.cve+" "+flaw.what, func(t *testing.T) {
			root, host, trap := t.TempDir(), t.TempDir(), t.TempDir()
			for _, dir := range []string{root, trap, filepath.Dir(root)} {
				if err := os.Chmod(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := flaw.image(root, trap); err != nil {
				t.Fatal(err)
			}
			b := attacker(t, "default")
			b.Image, b.Only, b.Flags = "dir:"+root, flawProbes, append(b.Flags, flaw.flags(host)...)
			if strings.HasPrefix(flaw.cve, "CVE-2021") || strings.HasPrefix(flaw.cve, "CVE-2024-4") {
				b.Only = flawProbes[3:] // there is a bind mount, which is asked for
			}
			if strings.HasPrefix(flaw.what, "the program") { // it runs as it is
				r := safeRun(t, append(b.Flags, b.Image, "/bin/sh")...)
				t.Logf("exit code %d: %s", r.code, r.err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			report, err := b.Run(ctx)
			switch {
			case err != nil && flaw.cve == "none":
				t.Error(err) // else all of them could be refused for the same reason
			case err != nil:
				t.Log("refused:", err)
			default:
				harmless(t, report)
			}
			for _, dir := range []string{host, trap} {
				if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
					t.Errorf("%s on the host has %v (%v)", dir, left, err)
				}
			}
			if now, err := os.ReadFile(built(t).safeRun); err != nil || hostState(t, now) != before {
				t.Errorf("the launcher or a setting of the kernel has changed (%v)", err)
			}
		})
	}
}

func harmless(t *testing.T, report *battery.Report) {
	t.Helper()
	if len(report.Results) == 0 || report.Partial != "" {
		t.Errorf("%d results; %s", len(report.Results), report.Partial)
	}
	for _, r := range report.Results {
		if r.Verdict == battery.Allowed || r.Verdict == battery.Error {
			t.Errorf("%s: %s: %s", r.ID, r.Verdict, r.Detail)
		}
	}
}

// hostState is what must not change on the host.
func hostState(t *testing.T, program []byte) string {
	t.Helper()
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x %s", sha256.Sum256(program), pattern)
}
