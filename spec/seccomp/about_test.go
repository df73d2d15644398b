package seccomp

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAbouts: each system call that has a number is described, once.
func TestAbouts(t *testing.T) {
	if len(abouts) != len(syscalls) {
		t.Errorf("%d descriptions of %d system calls", len(abouts), len(syscalls))
	}
	version := regexp.MustCompile(`^([1-9]\.\d+(\.\d+)?)?$`)
	for i, a := range abouts {
		if i < len(syscalls) && a.name != syscalls[i].name {
			t.Fatalf("%s is described in the place of %s", a.name, syscalls[i].name)
		}
		if a.purpose == "" || !version.MatchString(a.since) {
			t.Errorf("%s: %q since %q", a.name, a.purpose, a.since)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		risky, never bool
		group        string
	}{
		{"read", "ENOSYS", false, false, "@base"},
		{"ptrace", "EPERM", true, false, ""},
		{"clone3", "ENOSYS", true, true, ""},
		{"setuid", "EPERM", false, false, "@identity"},
	} {
		d, ok := Describe(c.name)
		if !ok || d.Answer != c.answer || (d.Risk != "") != c.risky || d.Never != c.never || strings.Join(d.Groups, " ") != c.group {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
	if d, _ := Describe("clone"); d.Rule == "" || !slices.Equal(d.Groups, []string{"@process", "@threads"}) {
		t.Errorf("clone: %+v", d)
	}
	if _, ok := Describe("nosuch"); ok {
		t.Error("nosuch is described")
	}
}

// TestDockerAllowed: as many as its own documentation and tests come to.
func TestDockerAllowed(t *testing.T) {
	names := DockerAllowed("amd64")
	if len(names) != 309 || !slices.IsSorted(names) || len(slices.Compact(names)) != 309 {
		t.Errorf("%d names", len(names))
	}
	for _, name := range strings.Fields(dockerWhole) {
		if !IsSyscall(name) {
			t.Errorf("%s is no system call", name)
		}
	}
	if DockerRule("socket") == "" || DockerRule("read") != "" {
		t.Error("DockerRule")
	}
}
