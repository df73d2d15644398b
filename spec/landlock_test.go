package spec_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
)

// given are the rights that rules give to a path, exceptions minded.
func given(l *spec.Landlock, path string) []string {
	var out []string
	for _, r := range l.Rules {
		if r.Path == path && !slices.Contains(r.Except, path) {
			out = append(out, r.Access...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestLandlock: what a mount says is said again, and no more.
func TestLandlock(t *testing.T) {
	in := input(t, "default")
	in.Host.Landlock = 7
	in.Request.Binds = []spec.Bind{
		{Source: "/srv/a", Target: "/data", IsDir: true, OwnerUID: 1000, OwnerGID: 1000, Flag: "-v /srv/a:/data"},
		{Source: "/srv/b", Target: "/fixed", IsDir: true, ReadOnly: true, OwnerUID: 1000, OwnerGID: 1000, Flag: "-v /srv/b:/fixed:ro"},
	}
	plan := compile(t, in)
	l := plan.Landlock
	if l == nil || l.ABI != 7 || !l.NoBind || !l.NoConnect {
		t.Fatalf("got %+v", l)
	}
	if why := decision(t, plan, "landlock").Why; !strings.Contains(why, "noexec holds alone") {
		t.Errorf("where it does not hold is not told: %s", why)
	}
	for path, want := range map[string][]string{
		"/":      {spec.LandlockExecute, spec.LandlockRead},
		"/tmp":   {spec.LandlockMake, spec.LandlockWrite},
		"/proc":  {spec.LandlockWrite},
		"/sys":   nil,
		"/dev":   {spec.LandlockIoctl, spec.LandlockMake, spec.LandlockWrite},
		"/fixed": nil,
	} {
		got := given(l, path)
		if path == "/fixed" { // whether it may be run is the mount's to say
			got = slices.DeleteFunc(got, func(a string) bool { return a == spec.LandlockExecute })
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if got := given(l, "/data"); !slices.Contains(got, spec.LandlockMake) || !slices.Contains(got, spec.LandlockWrite) {
		t.Errorf("a bind mount that is written: %v", got)
	}
	for _, m := range plan.OCI.Mounts {
		if slices.Contains(m.Options, "noexec") && slices.Contains(given(l, m.Destination), spec.LandlockExecute) {
			t.Errorf("%s is noexec, and a rule lets it be executed", m.Destination)
		}
	}
	l.Rules = append(l.Rules, spec.LandlockRule{Path: "/etc", Access: []string{spec.LandlockWrite}})
	if err := spec.ValidatePlan(plan); err == nil {
		t.Error("a rule lets be written where nothing is mounted, and the plan counts as safe")
	}
}

// TestLandlockIsLeftOut: where it cannot be, or where a profile asks for what it
// refuses, and that is told.
func TestLandlockIsLeftOut(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*spec.Input)
		says   string
		weaker bool // by the profile's word, and not for this kernel
	}{
		{"no Landlock", func(in *spec.Input) { in.Host.Landlock = 0 }, "without", false},
		{"Linux 5.13", func(in *spec.Input) { in.Host.Landlock = 1 }, "without", false},
		{"mount(2)", allow("mount"), "off", true},
		{"accepted", func(in *spec.Input) { accept(in, profiles.WeakLandlock) }, "off", true},
		{"no filter", func(in *spec.Input) { in.Host.Seccomp = spec.No; accept(in, profiles.WeakSeccomp) }, "without", true},
	} {
		in := input(t, "default")
		in.Host.Landlock = 7
		c.change(&in)
		plan := compile(t, in)
		if plan.Landlock != nil || decided(plan, "landlock") != c.says {
			t.Errorf("%s: %+v, told %q", c.what, plan.Landlock, decided(plan, "landlock"))
		}
		d := decision(t, plan, "landlock")
		if (d.Weakens != "") != c.weaker || c.weaker == strings.Contains(d.Why, "this kernel") {
			t.Errorf("%s: it weakens %q, because %q", c.what, d.Weakens, d.Why)
		}
	}
	in := input(t, "web")
	in.Host.Landlock = 3
	if l := compile(t, in).Landlock; l == nil || l.NoBind || l.NoConnect {
		t.Errorf("a web server: %+v", l)
	}
}

// TestLandlockWritableRoot: what is made later has the rights of what was there.
func TestLandlockWritableRoot(t *testing.T) {
	in := input(t, "default")
	in.Host.Landlock = 7
	no := false
	in.Profile.Rootfs.ReadOnly, in.Profile.Rootfs.Why = &no, "a test"
	l := compile(t, in).Landlock
	if l == nil {
		t.Fatal("no rules")
	}
	for _, a := range []string{spec.LandlockRead, spec.LandlockWrite, spec.LandlockMake, spec.LandlockExecute} {
		if !slices.Contains(given(l, "/"), a) {
			t.Errorf("no right to %s", a)
		}
	}
}
