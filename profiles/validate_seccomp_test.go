package profiles_test

import (
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
)

// TestStartable: a list without execve says that nothing may be run.
func TestStartable(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"no execve":  {"extends: default\nreplace: [seccomp.allow]\nseccomp: {allow: [{name: read, why: x}]}\n", "p.yaml:6:18: seccomp.allow: execve is not allowed"},
		"execve":     {"extends: default\nreplace: [seccomp.allow]\nseccomp: {allow: [{name: execve, why: x}]}\n", ""},
		"a group":    {"extends: default\nreplace: [seccomp.allow]\nseccomp: {allow: [{name: \"@base\", why: x}]}\n", ""},
		"inherited":  {"extends: default\nseccomp: {allow: [{name: ptrace, why: x}]}\n", ""},
		"unsafe one": {"extends: default\nseccomp: {allow: [{name: openat2, why: x}]}\n", "p.yaml:5:19: seccomp.allow[openat2]: no profile can allow it: its mode"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resolve(files{"p.yaml": c.body}, "p.yaml")
			if got := errText(err); c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestDoubts: what does nothing is named with its place.
func TestDoubts(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"none":        {"extends: web\n", nil},
		"in a group":  {"extends: web\nseccomp: {allow: [{name: read, why: x}]}\n", []string{"p.yaml:5:19: seccomp.allow[read]: adds nothing: it is in @base"}},
		"two groups":  {"extends: web\nseccomp: {allow: [{name: fsync, why: x}, {name: clone, why: x}]}\n", []string{"p.yaml:5:19: seccomp.allow[fsync]: adds nothing: it is in @files", "p.yaml:5:42: seccomp.allow[clone]: adds nothing: it is in @process, @threads"}},
		"no socket":   {"extends: default\nreplace: [seccomp.allow]\nseccomp:\n  allow: [{name: \"@base\", why: x}]\n  addressFamilies: [{name: AF_INET, why: x}]\n", []string{"p.yaml:8:21: seccomp.addressFamilies[AF_INET]: the family may be named, but socket is not"}},
		"no family":   {"extends: default\nreplace: [seccomp.addressFamilies]\nseccomp: {addressFamilies: []}\n", []string{"p.yaml:6:28: seccomp.addressFamilies: socket is allowed, but no address family"}},
		"no NET_RAW":  {"extends: web\nseccomp: {addressFamilies: [{name: AF_PACKET, why: x}]}\n", []string{"p.yaml:5:29: seccomp.addressFamilies[AF_PACKET]: the kernel refuses such sockets"}},
		"and with it": {"extends: web\nprocess: {capabilities: [{name: NET_RAW, why: x}]}\nseccomp: {addressFamilies: [{name: AF_PACKET, why: x}]}\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := resolve(files{"p.yaml": c.body}, "p.yaml")
			if err != nil {
				t.Fatal(err)
			}
			doubts := profiles.Doubts(p)
			if len(doubts) != len(c.want) {
				t.Fatalf("got %v, want %q", doubts, c.want)
			}
			for i, d := range doubts {
				if !strings.HasPrefix(d.Error(), c.want[i]) || d.Hint == "" {
					t.Errorf("got %q (hint %q), want %q", d.Error(), d.Hint, c.want[i])
				}
			}
		})
	}
}
