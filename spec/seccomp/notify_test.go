//go:build cgo

package seccomp_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// retNotify is SECCOMP_RET_USER_NOTIF, and retErrno the part of an action that
// is not its errno.
const (
	retNotify = 0x7fc00000
	retErrno  = 0x00050000
)

// reporting is a filter that reports, with what is answered to it.
type reporting struct {
	*filter
	arch    string
	answers seccomp.Answers
}

func newReporting(t *testing.T, p seccomp.Policy) reporting {
	t.Helper()
	oci, err := seccomp.Render(p)
	must(t, err)
	notified, answers := seccomp.Notified(oci)
	if oci.Syscalls[len(oci.Syscalls)-1].Action == notified.Syscalls[len(notified.Syscalls)-1].Action {
		t.Fatal("the filter itself was changed, or nothing reports")
	}
	return reporting{compiled(t, p, notified), p.Arch, answers}
}

// check: what the policy allows is allowed, what kills kills, and what it
// refuses is refused with the same errno, by the filter or by the answer.
func (r reporting) check(t failer, c call) {
	own, err := r.own.run(c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	foreign, err := r.foreign.run(c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	got := stricter(own, foreign)
	want := model(r.policy, c)
	if want != retKill && r.newer[c.name] {
		want = 0x00050000 | 38
	}
	effect := got
	if effect == retNotify {
		effect = retErrno | uint32(r.answers.Answer(int(c.nr), c.args))
	}
	if effect != want {
		t.Fatalf("%s (nr %#x, args %#x): the filter gives %#x and so %#x, the model %#x", c.name, c.nr, c.args, got, effect, want)
	}
	if want == 0x00050001 && got != retNotify {
		t.Fatalf("%s (nr %#x, args %#x) fails with EPERM and is not reported", c.name, c.nr, c.args)
	}
}

func TestReportingFilterIsTheModel(t *testing.T) {
	for name, p := range policies() {
		t.Run(name, func(t *testing.T) {
			r := newReporting(t, p)
			all := vectors()
			for nr := range uint32(1024) {
				few := all[:4]
				if seccomp.HasRule(r.names[nr]) {
					few = all
				}
				for _, args := range few {
					r.check(t, call{arch: r.native, nr: nr, name: r.names[nr], args: args})
				}
			}
			for _, arch := range []uint32{auditI386, auditArm} {
				r.check(t, call{arch: arch, nr: 1})
			}
		})
	}
}

func TestReportingFilterAtRandom(t *testing.T) {
	for name, p := range policies() {
		r := newReporting(t, p)
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			c := call{arch: r.native, nr: rapid.Uint32Range(0, 500).Draw(t, "nr")}
			c.name = r.names[c.nr]
			for i := range c.args {
				c.args[i] = rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 64), rapid.SampledFrom(telling)).Draw(t, "arg")
			}
			r.check(t, c)
		}))
	}
}

// TestUnlistedAreReported: operations of prctl and types and protocols of sockets
// are reported when they are on no list, and only then.
func TestUnlistedAreReported(t *testing.T) {
	for name, p := range policies() {
		r := newReporting(t, p)
		t.Run(name, func(t *testing.T) {
			for _, call := range unlistedCalls(r) {
				own, err := r.own.run(call)
				must(t, err)
				if allowed := model(r.policy, call) == retAllow; allowed == (own == retNotify) || !allowed && own != retNotify {
					t.Fatalf("%s %#x: the filter gives %#x, and the model allows it: %v", call.name, call.args, own, allowed)
				}
			}
		})
	}
}

// unlistedCalls are the calls that lists judge, with every value in their bounds,
// and some of them with bits that the kernel does not look at.
func unlistedCalls(r reporting) (out []call) {
	arch := r.arch
	prctl, _ := seccomp.Number(arch, "prctl")
	socket, _ := seccomp.Number(arch, "socket")
	for option := range uint64(128) {
		for _, high := range []uint64{0, 1 << 32, 1 << 63} {
			out = append(out, call{arch: r.native, nr: uint32(prctl), name: "prctl", args: [6]uint64{option | high}})
		}
	}
	for _, family := range []uint64{1, 2, 10, 16, 17, 38, 40} {
		for kind := range uint64(16) {
			for _, protocol := range []uint64{0, 1, 2, 5, 6, 7, 16, 17, 18, 33, 58, 132, 136, 255, 256, 262, 511} {
				for _, flags := range []uint64{0, 0x80000, 0x800, 1 << 32} {
					out = append(out, call{arch: r.native, nr: uint32(socket), name: "socket", args: [6]uint64{family, kind | flags, protocol}})
				}
			}
		}
	}
	return out
}

// TestDenials: what is told of a call names what decided, and how to allow it.
func TestDenials(t *testing.T) {
	oci, err := seccomp.Render(seccomp.Policy{Arch: "amd64", Allow: []string{"@base", "@files", "@process", "@sockets"}, Families: []string{"AF_INET"}})
	must(t, err)
	_, answers := seccomp.Notified(oci)
	for _, c := range []struct {
		name     string
		args     [6]uint64
		want     string
		severity event.Severity
		allow    string // a line of it; empty when no profile can
	}{
		{"bpf", [6]uint64{}, "", event.High, "    - {name: bpf, why: ...}"},
		{"mount", [6]uint64{}, "", event.High, "    - {name: SYS_ADMIN, why: ...}"},
		{"init_module", [6]uint64{}, "", event.High, ""},
		{"chown", [6]uint64{}, "", event.Low, "    - {name: CHOWN, why: ...}"},
		{"mlock", [6]uint64{}, "", event.Low, "    - {name: mlock, why: ...}"},
		{"clone", [6]uint64{0x10000011}, "flag CLONE_NEWUSER", event.High, ""},
		{"clone", [6]uint64{1<<32 + 0x60000000}, "flag CLONE_NEWPID flag CLONE_NEWNET", event.High, ""},
		{"ioctl", [6]uint64{0, 0x5412}, "request TIOCSTI", event.High, ""},
		{"socket", [6]uint64{38}, "family AF_ALG", event.Medium, "    - {name: AF_ALG, why: ...}"},
		{"socket", [6]uint64{17}, "family AF_PACKET", event.High, "    - {name: AF_PACKET, why: ...}"},
		{"socket", [6]uint64{1}, "family AF_UNIX", event.Low, "    - {name: AF_UNIX, why: ...}"},
		{"socket", [6]uint64{999}, "family 999", event.Low, ""},
		{"socket", [6]uint64{2, 3 | 0x80000, 1}, "family AF_INET type SOCK_RAW protocol 1", event.Medium, "    - {name: NET_RAW, why: ...}"},
		{"socket", [6]uint64{2, 1, 132}, "family AF_INET type SOCK_STREAM protocol 132", event.Medium, ""},
		{"socket", [6]uint64{2, 2, 1}, "family AF_INET type SOCK_DGRAM protocol 1", event.Low, ""},
		{"socket", [6]uint64{2, 9, 0}, "family AF_INET type 9 protocol 0", event.Medium, ""},
		{"prctl", [6]uint64{35}, "option PR_SET_MM", event.Medium, ""},
		{"prctl", [6]uint64{22, 2}, "option PR_SET_SECCOMP", event.Low, "    - {name: seccomp, why: ...}"},
		{"chmod", [6]uint64{0, 0o4755}, "mode 04755", event.Medium, ""},
		{"mknod", [6]uint64{0, 0o020666}, "a character device", event.Medium, ""},
		{"mknod", [6]uint64{0, 0o010600}, "", event.Medium, "    - {name: mknod, why: ...}"},
	} {
		number, ok := seccomp.Number("amd64", c.name)
		if !ok {
			t.Fatal(c.name)
		}
		d := answers.Denial(number, c.args)
		arguments := ""
		for i, a := range d.Arguments {
			if i > 0 {
				arguments += " "
			}
			arguments += a
		}
		if d.Syscall != c.name || arguments != c.want || d.Severity != c.severity {
			t.Errorf("%s %#x: %+v", c.name, c.args, d)
		}
		if (c.allow == "") != (d.Allow == nil) || c.allow != "" && !slices.Contains(d.Allow, c.allow) {
			t.Errorf("%s %#x is allowed by %q, want %q", c.name, c.args, d.Allow, c.allow)
		}
		if d.Harmless {
			t.Errorf("%s is no harmless one", c.name)
		}
		if (d.Allow == nil) == (d.Instead == "") {
			t.Errorf("%s %#x: neither or both of how to allow it and what to do: %+v", c.name, c.args, d)
		}
	}
	for _, harmless := range []struct {
		name string
		args [6]uint64
		want string
	}{{"prctl", [6]uint64{99}, "option 99"}, {"socket", [6]uint64{2, 1, 262}, "family AF_INET type SOCK_STREAM protocol 262"}} {
		number, _ := seccomp.Number("amd64", harmless.name)
		if d := answers.Denial(number, harmless.args); strings.Join(d.Arguments, " ") != harmless.want || !d.Harmless || d.Severity != event.Low || d.Instead == "" {
			t.Errorf("%+v", d)
		}
	}
	setuid, _ := seccomp.Number("amd64", "setuid")
	if d := answers.Denial(setuid, [6]uint64{}); !d.Harmless {
		t.Errorf("what busybox tries each time: %+v", d)
	}
	if d := answers.Denial(4000, [6]uint64{}); d.Syscall != "number 4000" || d.Instead == "" {
		t.Errorf("a call that nobody knows: %+v", d)
	}
}

// TestAdvice: what is said of calls is of calls that there are, and of each
// call one thing.
func TestAdvice(t *testing.T) {
	for _, names := range seccomp.AdviceNames() {
		for i, name := range names {
			if !seccomp.IsSyscall(name) {
				t.Errorf("no system call %q", name)
			}
			if slices.Contains(names[:i], name) {
				t.Errorf("%s is in one list twice", name)
			}
		}
	}
}
