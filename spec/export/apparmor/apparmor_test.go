package apparmor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/exporttest"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// TestWhatMayBeDone: capitals in what are what the owner of the file may do, small
// letters what everybody may, and - stands in front of what is refused.
func TestWhatMayBeDone(t *testing.T) {
	web := exporttest.Input(exporttest.Profile("web"))
	web.Image.Volumes = []string{"/data"}
	writable, whole := web, exporttest.Input(exporttest.Whole())
	writable.Profile.Rootfs.ReadOnly, writable.Profile.Rootfs.Why = new(false), "r"
	for _, c := range []struct {
		name string
		in   export.Input
		may  map[string]string
	}{
		{"web", web, map[string]string{
			"/": "r", "/etc/passwd": "r-W", "/bin/sh": "rxm-W", "/d": "r", "/dx": "r", "/device/x": "rx", "/proctor": "x-W", "/systemd": "x", "/sbin/a": "x", "/pro": "x", "/\nx": "r",
			"/tmp/": "r", "/tmp/a": "rW-w-X-M", "/tmp/a/b c": "rWL", "/tmpfile": "-W", "/run/a": "W-w", "/dev/shm/a": "rW-X", "/data/a": "rw-x",
			"/dev/null": "rw", "/dev/sda": "-r-w", "/dev/mem": "-R", "/dev/pts/0": "rw", "/dev/pts/ptmx": "rw",
			"/proc/1/status": "r-W", "/proc/12/comm": "W-w", "/proc/1/task/2/comm": "W-w", "/proc/1/mem": "-W", "/proc/1/attr/exec": "-W", "/proc/sys/kernel/core_pattern": "r-W",
			"/proc/kcore": "-R-W-X", "/proc/acpi/x": "-R", "/sys/firmware/": "-R", "/sys/class/net/": "r-W", "/proc/sysrq-trigger": "-W", "/memfd:a": "-X",
		}},
		{"writable", writable, map[string]string{
			"/etc/passwd": "rwl", "/new": "w", "/proc/1/mem": "-W", "/proc/sys/x": "-W", "/sys/x": "-W", "/dev/x": "-W", "/dev/null": "w", "/tmp/a": "-X", "/proc/kcore": "-R",
		}},
		{"whole", whole, map[string]string{"/work/a": "rwx", "/opt/a": "r-W", "/proc/cpuinfo": "-R"}},
	} {
		_, p := exported(t, c.in)
		for path, what := range c.may {
			allowed := true
			for _, do := range what {
				if do == '-' {
					allowed = false
					continue
				}
				owner := do < 'a'
				if got := p.allows(path, byte(do|0x20), owner); got != allowed {
					t.Errorf("%s: %q %c: %t", c.name, path, do, got)
				}
				allowed = true
			}
		}
	}
}

// TestOutside: the image's globs are all but what is in three directories.
func TestOutside(t *testing.T) {
	_, p := exported(t, exporttest.Input(exporttest.Profile("default")))
	names := rapid.StringMatching(`[a-z/.]{0,3}|d?e?v?[a-z]?|p?r?o?c?[a-z]?|s?y?s?[a-z]?`)
	rapid.Check(t, func(t *rapid.T) {
		name := names.Draw(t, "name")
		path := filepath.Clean("/" + name + "/x")
		first := strings.Split(path, "/")[1]
		kernel := first == "dev" || first == "proc" || first == "sys"
		if got := p.allows(path, 'x', false); got == kernel && first != "tmp" && first != "run" {
			t.Errorf("%s can be run: %t", path, got)
		}
	})
}

// TestHostilePaths: a path says what is allowed at itself, whatever is in it.
func TestHostilePaths(t *testing.T) {
	in := exporttest.Input(exporttest.Profile("default"))
	in.Profile.Mounts.Tmpfs, in.Profile.Paths.Masked = []profiles.Tmpfs{}, []string{}
	_, before := exported(t, in)
	words := rapid.StringOfN(rapid.RuneFrom([]rune(`*?[]{}^,\" @$#ab.`+"\n")), 1, 8, -1)
	rapid.Check(t, func(r *rapid.T) {
		at, other := "/x"+words.Draw(r, "tmpfs"), "/x"+words.Draw(r, "other")
		in := in
		size := profiles.Bytes(1 << 20)
		in.Profile.Mounts.Tmpfs = []profiles.Tmpfs{{Path: at, Size: &size}}
		result, err := Export(in)
		if err != nil {
			return // "." and ".."
		}
		p := read(t, result.Files[0].Data)
		if !p.allows(at+"/f", 'w', true) || p.allows(at+"/f", 'x', true) {
			r.Errorf("%q cannot be written to, or run from", at)
		}
		if other != at && !strings.HasPrefix(other, at+"/") && p.allows(other, 'w', true) != before.allows(other, 'w', true) {
			r.Errorf("%q can be written to for the sake of %q", other, at)
		}
	})
}

func TestCapabilitiesAndSignals(t *testing.T) {
	in := exporttest.Input(exporttest.Whole())
	result, _ := exported(t, in)
	text := string(result.Files[0].Data)
	for _, want := range []string{
		"abi <abi/3.0>,\n", "profile safe-run-app flags=(attach_disconnected,mediate_deleted) {\n", "  capability chown,\n  capability net_bind_service,\n",
		"  network inet stream,\n  network inet dgram,\n", "  network unix,\n", "  signal (send, receive) peer=safe-run-app,\n", "  ptrace (read, readby) peer=safe-run-app,\n",
		"  audit deny mount,\n", "  set rlimit nproc <= 20,\n", "  include if exists <local/safe-run-app>\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, never := range []string{"network inet raw", "network packet", "ptrace (trace", "capability sys_admin", "change_profile"} {
		if strings.Contains(text, never) {
			t.Errorf("%q in\n%s", never, text)
		}
	}
}

// TestParserReadsIt asks AppArmor's own parser, which needs no kernel for that.
func TestParserReadsIt(t *testing.T) {
	parser, err := exec.LookPath("apparmor_parser")
	if err != nil {
		t.Skip("NOT CHECKED: that AppArmor reads the profiles: apparmor_parser is not installed")
	}
	// The features of a kernel that has them all: rules that a kernel does not
	// know are left out before they are looked at.
	const features = "/etc/apparmor.d/abi/3.0"
	if _, err := os.Stat(features); err != nil {
		t.Skip("NOT CHECKED: that AppArmor reads the profiles: " + err.Error())
	}
	inputs := map[string]export.Input{"whole": exporttest.Input(exporttest.Whole())}
	for _, name := range builtin.Names() {
		inputs[name] = exporttest.Input(exporttest.Profile(name))
	}
	size := profiles.Bytes(1 << 20)
	hostile := exporttest.Input(exporttest.Profile("web"))
	hostile.Profile.Rootfs.ReadOnly, hostile.Profile.Rootfs.Why = new(false), "r"
	for _, path := range []string{`/a\`, `/b"`, `/c" w, /** rwx, "`, "/d*?[x]{a,b}^", "/@{HOME}", "/e f\n#g", "/é\x01", "/$x", "/h,", `/i\\"`} {
		hostile.Profile.Mounts.Tmpfs = append(hostile.Profile.Mounts.Tmpfs, profiles.Tmpfs{Path: path, Size: &size})
		hostile.Profile.Paths.Masked = append(hostile.Profile.Paths.Masked, path+"x")
	}
	inputs["hostile"] = hostile
	all := exporttest.Input(exporttest.Profile("default"))
	all.Profile.Seccomp.AddressFamilies, all.Profile.Process.Capabilities, all.Profile.Process.Rlimits = nil, nil, []profiles.Rlimit{}
	for _, name := range seccomp.FamilyNames() {
		all.Profile.Seccomp.AddressFamilies = append(all.Profile.Seccomp.AddressFamilies, profiles.Family{Name: name, Why: "r"})
	}
	for _, name := range profiles.CapabilityNames() {
		all.Profile.Process.Capabilities = append(all.Profile.Process.Capabilities, profiles.Capability{Name: name, Why: "r"})
	}
	for _, name := range append([]string{"cpu", "nice", "rttime"}, plain...) {
		all.Profile.Process.Rlimits = append(all.Profile.Process.Rlimits, profiles.Rlimit{Name: name, Soft: new(int64(1)), Hard: new(int64(30))})
	}
	inputs["all"] = all
	for name, in := range inputs {
		result, err := Export(in)
		if err != nil {
			t.Fatal(name, err)
		}
		file := filepath.Join(t.TempDir(), "profile")
		if err := os.WriteFile(file, result.Files[0].Data, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(parser, "--skip-kernel-load", "--skip-cache", "--warn=all", "--kernel-features="+features, file).CombinedOutput()
		if err != nil || strings.Contains(string(out), "unnecessarily") || strings.Contains(string(out), "error") {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, result.Files[0].Data)
		} else if len(out) > 0 {
			t.Logf("%s: %s", name, out)
		}
	}
}
