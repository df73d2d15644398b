package containerd

import (
	"os"
	"strings"
	"testing"
)

// TestAppArmor: a profile of AppArmor's that a container is asked to run under
// holds its first process and whoever joins, whatever the profile of ours; one that
// the kernel does not have is an error. It is loaded from a file, by name, and for
// machines only: what a kernel has loaded stays.
func TestAppArmor(t *testing.T) {
	policy, name, _ := strings.Cut(os.Getenv("SAFE_RUN_APPARMOR"), ":")
	if name == "" {
		t.Skip("NOT CHECKED: AppArmor under containerd: this is for the inside of a machine")
	}
	text, err := os.ReadFile(policy)
	if err != nil {
		t.Skip("NOT CHECKED: AppArmor under containerd: ", err)
	}
	must(t, os.WriteFile("/sys/kernel/security/apparmor/.replace", text, 0o600))
	e := newEngine(t, "")
	for id, config := range map[string]string{"c": e.conflicts("refuse"), "other": e.write("none.yaml", unconfined)} {
		args := []string{"-d", "--runtime-config-path", config, "--user", "1000:1000", "--apparmor-profile", name}
		e.must(e.run(append(args, e.rootfs(), id, "/bin/sleep", "1000")...)...)
		first, err := os.ReadFile("/proc/" + e.pid(id) + "/attr/apparmor/current")
		if want := name + " (enforce)"; err != nil || strings.TrimSpace(string(first)) != want {
			t.Errorf("%s: the first process is under %q, want %q: %v", id, first, want, err)
		}
		code, out := e.ctr("task", "exec", "--exec-id", "a", id, "/bin/sh", "-c", "cat /proc/self/attr/apparmor/current; head -n 1 /proc/kallsyms || echo refused")
		if code != 0 || !strings.Contains(out, name+" (enforce)") || !strings.Contains(out, "refused") {
			t.Errorf("%s: who joins: exit %d: %s", id, code, out)
		}
		e.remove(id)
	}
	args := []string{"--rm", "--runtime-config-path", e.conflicts("refuse"), "--user", "1000:1000", "--apparmor-profile", "nobody-has-this"}
	if code, out := e.ctr(e.run(append(args, e.rootfs(), "none", "/bin/echo", "it ran")...)...); code == 0 || strings.Contains(out, "it ran") || !strings.Contains(strings.ToLower(out), "apparmor") {
		t.Errorf("under a profile that is not loaded: exit %d: %s", code, out)
	}
}
