package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where a machine has the profile that `safe-run export apparmor` wrote, as the
// kernel takes it, and what the profile is called.
const (
	armorFile = "/opt/apparmor.bin"
	armorName = "safe-run-machine"
)

// armor exports the profile default for AppArmor and has it compiled here: a
// machine has no parser. It is empty where this host has none.
func armor(t *testing.T, bin string) (compiled string) {
	t.Helper()
	parser, err := exec.LookPath("apparmor_parser")
	if err != nil {
		t.Skip("NOT CHECKED: the exported AppArmor profile under a kernel: apparmor_parser is not installed")
	}
	dir, err := os.MkdirTemp(scratch, "apparmor")
	if err != nil {
		t.Fatal(err)
	}
	text, compiled := filepath.Join(dir, "apparmor"), filepath.Join(dir, "apparmor.bin")
	export := exec.Command(filepath.Join(bin, "safe-run"), "export", "apparmor", "--profile", "default", "--name", "machine", "--force", "--output", text)
	if out, err := export.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", export.Args, err, out)
	}
	// The kernel that it is for is not this one.
	compile := exec.Command(parser, "--skip-kernel-load", "--skip-cache", "--features-file", "/etc/apparmor.d/abi/3.0", "--ofile", compiled, text)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", compile.Args, err, out)
	}
	return compiled
}

// TestInsideAppArmor loads the exported profile and holds a shell to it: what it
// tells is refused, which without it is not, and what it allows works.
func TestInsideAppArmor(t *testing.T) {
	needInside(t)
	policy, err := os.ReadFile(armorFile)
	if err != nil {
		t.Skipf("NOT CHECKED: the exported AppArmor profile: %v", err)
	}
	modules, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil || !strings.Contains(string(modules), "apparmor") {
		t.Skipf("NOT CHECKED: the exported AppArmor profile: the kernel has %s (%v)", modules, err)
	}
	if err := os.WriteFile("/sys/kernel/security/apparmor/.replace", policy, 0o600); err != nil {
		t.Fatalf("the kernel does not take the profile: %v", err)
	}
	loaded, err := os.ReadFile("/sys/kernel/security/apparmor/profiles")
	if err != nil || !strings.Contains(string(loaded), armorName+" (enforce)") {
		t.Fatalf("the kernel has %q (%v), want %s enforced", loaded, err, armorName)
	}
	if err := os.MkdirAll("/mnt", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, look := range []struct {
		what, script string
		allowed      bool
	}{
		{"its own name", "test \"$(busybox cat /proc/self/attr/apparmor/current)\" = '" + armorName + " (enforce)'", true},
		{"read a file", "busybox cat /etc/passwd", true},
		{"write to /tmp", "echo x >/tmp/allowed && busybox rm /tmp/allowed", true},
		{"write to /etc", "echo x >/etc/denied && busybox rm /etc/denied", false},
		{"run what was written", "busybox cp /usr/bin/busybox /tmp/busybox && /tmp/busybox true", false},
		{"mount", "busybox mount -t tmpfs none /mnt && busybox umount /mnt", false},
		{"give a file away", "echo x >/tmp/given && busybox chown 1 /tmp/given; code=$?; busybox rm -f /tmp/given; exit $code", false},
		{"addresses of the kernel", "busybox head -n 1 /proc/kallsyms", false},
		{"a kernel setting", "echo 1 >/proc/sys/vm/drop_caches", false},
		{"a socket of the internet", "busybox ifconfig lo", false},
		{"a device", "busybox head -c 1 /dev/vda", false},
		{"a signal to others", "busybox kill -0 1", false},
	} {
		if err := shell(t, "", look.script); err != nil && look.what != "its own name" {
			t.Errorf("%s: refused without the profile: %v", look.what, err)
		}
		if err := shell(t, armorName, look.script); (err == nil) != look.allowed {
			t.Errorf("%s: under the profile %v; want allowed: %t", look.what, err, look.allowed)
		}
	}
}

// shell runs a script, under a profile of AppArmor's if one is named.
func shell(t *testing.T, profile, script string) error {
	t.Helper()
	const sh = "/usr/bin/busybox"
	args := []string{"sh", "-c", script}
	if profile != "" {
		args = []string{"sh", "-c", `echo "exec $1" >/proc/self/attr/apparmor/exec || exit 0; exec ` + sh + ` sh -c "$2"`, "sh", profile, script}
	}
	out, err := exec.Command(sh, args...).CombinedOutput()
	if err != nil {
		t.Logf("%q under %q: %v: %s", script, profile, err, out)
	}
	return err
}
