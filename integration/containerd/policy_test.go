package containerd

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const head = "apiVersion: safe-run.dev/v1\n"

// webby is a profile for containers without user namespaces, which ctr makes.
const webby = head + "kind: Profile\nmetadata: {name: webby}\nextends: default\naccept: [{name: user-namespace, why: the engine gives none}]\n"

// conflicts configures the shim with webby.
func (e *engine) conflicts(on string) string {
	profile := e.write("webby.yaml", webby)
	tight := "kind: Shim\nprofile: " + profile + "\nallow: [batch, nosuch]\nonConflict: " + on + "\ndenials: " + e.notices() + "\n"
	return e.write("shim-"+on+".yaml", head+tight)
}

// matrix is what a container asks beyond its profile: with the words of the
// refusal, and a look from inside that shows it was not given.
var matrix = []struct {
	name    string
	flags   []string
	refused string
	inside  string // a script that prints "kept out"
}{
	{"root", nil, "user root, which profile webby does not allow (default:", `[ $(id -u) != 0 ] && echo kept out`},
	{"privileged", []string{"--user", "1000:1000", "--privileged"}, "capability CAP_", `grep -q "CapBnd:.0000000000000000" /proc/self/status && ! echo > /dev/kmsg 2>/tmp/x && echo kept out`},
	{"an added capability", []string{"--user", "1000:1000", "--cap-add", "CAP_SYS_ADMIN"}, "capability CAP_SYS_ADMIN, which profile webby does not allow (default:", `grep -q "CapBnd:.0000000000000000" /proc/self/status && echo kept out`},
	{"the host's network", []string{"--user", "1000:1000", "--net-host"}, "the host's network namespace, which profile webby does not allow", `[ "$(ls /sys/class/net)" = lo ] && echo kept out`},
	{"the host's etc", []string{"--user", "1000:1000", "--mount", "type=bind,src=/etc,dst=/host,options=rbind:rw"}, "mount of /etc at /host, which profile webby does not allow", `ls /host/hostname 2>/tmp/x || echo kept out`},
	{"containerd's socket", []string{"--user", "1000:1000", "--mount", "type=bind,src=/proc/sys,dst=/host,options=rbind:rw"}, "mount of /proc/sys at /host, which profile webby does not allow", `ls /host/kernel 2>/tmp/x || echo kept out`},
	{"a device", []string{"--user", "1000:1000", "--device", "/dev/kmsg"}, "device /dev/kmsg, which profile webby does not allow", `ls /dev/kmsg 2>/tmp/x || echo kept out`},
}

// TestRefused: what the profile forbids is refused by name, before anything of
// the container runs, and nothing is left.
func TestRefused(t *testing.T) {
	e := newEngine(t, "")
	config := e.conflicts("refuse")
	for _, c := range matrix {
		t.Run(c.name, func(t *testing.T) {
			args := append(append([]string{"--rm", "--runtime-config-path", config}, c.flags...), e.rootfs(), "c", "/bin/echo", "it ran")
			code, out := e.ctr(e.run(args...)...)
			if code == 0 || strings.Contains(out, "it ran") || !strings.Contains(out, "the bundle asks for "+c.refused) {
				t.Errorf("exit %d: %s", code, out)
			}
			if !strings.Contains(out, "onConflict: strip") {
				t.Errorf("it does not say what can be done: %s", out)
			}
		})
	}
}

// TestStripped: with onConflict: strip the container runs without it, and the
// shim says so.
func TestStripped(t *testing.T) {
	e := newEngine(t, "")
	config := e.conflicts("strip")
	for _, c := range matrix {
		t.Run(c.name, func(t *testing.T) {
			args := append(append([]string{"--rm", "--runtime-config-path", config}, c.flags...), e.rootfs(), "c", "/bin/sh", "-c", c.inside)
			code, out := e.ctr(e.run(args...)...)
			if code != 0 || !strings.Contains(out, "kept out") {
				t.Errorf("exit %d: %s", code, out)
			}
			words, _, _ := strings.Cut(c.refused, ", which")
			log, err := os.ReadFile(e.dir + "/log")
			must(t, err)
			if !strings.Contains(string(log), "profile webby: instead of "+words) {
				t.Errorf("the log does not tell of %s", words)
			}
		})
	}
}

// TestConfined: what a container of a profile has, and that an exec has no more.
func TestConfined(t *testing.T) {
	e := newEngine(t, "")
	config := e.conflicts("refuse")
	e.must(e.run("-d", "--runtime-config-path", config, "--user", "1000:1000", e.rootfs(), "c", "/bin/sleep", "1000")...)
	look := "id -u; cat /proc/self/status; touch /x; echo root $?; mount -t tmpfs x /tmp; echo mount $?"
	code, out := e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/sh", "-c", look)
	for _, want := range []string{`(?m)^1000$`, `CapEff:\s0000000000000000`, `CapBnd:\s0000000000000000`, `NoNewPrivs:\s1`, `Seccomp:\s2`, `root 1`, `mount 1`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("an exec has no %s: exit %d: %s", want, code, out)
		}
	}
	if code, out := e.ctr("task", "exec", "--exec-id", "b", "--user", "0", "c", "/bin/id"); code == 0 || !strings.Contains(out, "root is not given to an exec in a container of profile webby") {
		t.Errorf("root by exec: exit %d: %s", code, out)
	}
	first, err := os.ReadFile("/proc/" + e.pid("c") + "/status")
	must(t, err)
	for _, want := range []string{"CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(first), want) {
			t.Errorf("the first process has no %s", want)
		}
	}
	e.remove("c")
}

func (e *engine) pid(id string) string {
	_, out := e.ctr("task", "ls")
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == id {
			return fields[1]
		}
	}
	return "none"
}

// TestProfileNamed: who may name a profile, and what is said when there is none.
func TestProfileNamed(t *testing.T) {
	e := newEngine(t, "")
	config := e.conflicts("refuse")
	broken := e.write("broken.yaml", head+"kind: Profile\nmetadata: {name: broken}\nextends: default\nresources: {pidz: 7}\n")
	for _, c := range []struct {
		name, config, annotation, want string
	}{
		{"an annotation that is not allowed", config, "web", `annotation safe-run.dev/profile names profile "web", which the administrator does not allow`},
		{"a path in an annotation", config, "/etc/passwd", `which the administrator does not allow`},
		// It does not accept what webby does: the stricter of both holds.
		{"an annotation that is allowed", config, "batch", "no user namespace of its own"},
		{"one that is not there", config, "nosuch", `there is no profile "nosuch"`},
		{"a broken profile", broken, "", "pidz"},
		{"no such file", e.dir + "/etc/none.yaml", "", "there is no profile"},
		{"a file that is not one", e.write("x.yaml", "kind: [\n"), "", "x.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"--rm", "--runtime-config-path", c.config, "--user", "1000:1000"}
			if c.annotation != "" {
				args = append(args, "--annotation", "safe-run.dev/profile="+c.annotation)
			}
			code, out := e.ctr(e.run(append(args, e.rootfs(), "c", "/bin/echo", "it ran")...)...)
			if code == 0 || strings.Contains(out, "it ran") || !strings.Contains(out, c.want) {
				t.Errorf("exit %d: %s", code, out)
			}
		})
	}
	if code, out := e.ctr(e.run("--rm", "--user", "1000:1000", e.rootfs(), "c", "/bin/echo", "it ran")...); code == 0 || !strings.Contains(out, "profile default") {
		t.Errorf("without a configuration: exit %d: %s", code, out)
	}
}
