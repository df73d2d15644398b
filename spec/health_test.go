package spec_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func shellTest(text string) *profiles.Command {
	return ptr(profiles.Command(`"` + text + `"`))
}

// TestHealth: flags and profile before the image, each setting by itself.
func TestHealth(t *testing.T) {
	ofImage := &spec.ImageHealth{Test: []string{"CMD", "/check", "it"}, Interval: time.Minute, StartPeriod: 3 * time.Second}
	for _, c := range []struct {
		what    string
		image   *spec.ImageHealth
		profile profiles.Health
		want    string // what is run, then the times; "none" is a decision, "" not even that
		source  string
	}{
		{"nobody asks", nil, profiles.Health{}, "", ""},
		{"nobody says what to run", &spec.ImageHealth{Interval: time.Second}, profiles.Health{}, "", ""},
		{"there is nothing to time", nil, profiles.Health{Interval: ptr(profiles.Duration(1e9))}, "none", "image"},
		{"the image's", ofImage, profiles.Health{}, "/check it|1m0s 30s 3s 5s 3", "image"},
		{"the image wants none", &spec.ImageHealth{Test: []string{"NONE"}}, profiles.Health{}, "none", "image"},
		{"a text", &spec.ImageHealth{Test: []string{"CMD-SHELL", "a; b", "c"}, Retries: 1}, profiles.Health{}, "/bin/sh -c a; b c|30s 30s 0s 5s 1", "image"},
		{"the profile's", ofImage, profiles.Health{Test: shellTest("look"), Timeout: ptr(profiles.Duration(1e9)), Retries: ptr(int64(9))}, "/bin/sh -c look|1m0s 1s 3s 5s 9", "default"},
		{"the profile's times", ofImage, profiles.Health{StartPeriod: ptr(profiles.Duration(0)), StartInterval: ptr(profiles.Duration(1e9))}, "/check it|1m0s 30s 0s 1s 3", "image"},
		{"the profile wants none", ofImage, profiles.Health{Disabled: ptr(true), Test: shellTest("look")}, "none", "default"},
		{"words of the profile", nil, profiles.Health{Disabled: ptr(false), Test: ptr(profiles.Command(`["/look",""]`))}, "/look |30s 30s 0s 5s 3", "default"},
		{"a broken one that is not used", &spec.ImageHealth{Test: []string{"WHAT"}, Interval: -1, Retries: -1}, profiles.Health{
			Test: shellTest("look"), Interval: ptr(profiles.Duration(1e6)), Retries: ptr(int64(1)),
		}, "/bin/sh -c look|1ms 30s 0s 5s 1", "default"},
		{"a broken one that is switched off", &spec.ImageHealth{Test: []string{"WHAT"}}, profiles.Health{Disabled: ptr(true)}, "none", "default"},
	} {
		in := input(t, "default")
		in.Image.Config.Health, in.Profile.Health = c.image, c.profile
		if c.source == "default" {
			in.Profile.Origins["health"] = profiles.Origin{Source: "default", Line: 1}
		}
		plan := compile(t, in)
		got := ""
		at := slices.IndexFunc(plan.Decisions, func(d spec.Decision) bool { return d.Setting == "health check" })
		if h := plan.Lifecycle.Health; h != nil {
			got = strings.Join(h.Args, " ") + "|" + strings.Join([]string{
				h.Interval.String(), h.Timeout.String(), h.StartPeriod.String(), h.StartInterval.String(), string(rune('0' + h.Retries)),
			}, " ")
		} else if at >= 0 {
			got = plan.Decisions[at].Value
		}
		if got != c.want || (at >= 0) != (c.want != "") {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
		if at >= 0 && !strings.HasPrefix(plan.Decisions[at].Source, c.source) {
			t.Errorf("%s: the source is %s", c.what, plan.Decisions[at].Source)
		}
	}
}

// TestHealthShell: an image's own shell runs a text.
func TestHealthShell(t *testing.T) {
	in := input(t, "default")
	in.Image.Config.Shell, in.Profile.Health.Test = []string{"/bin/ash", "-eu", "-c"}, shellTest("secret")
	plan := compile(t, in)
	if got := strings.Join(plan.Lifecycle.Health.Args, " "); got != "/bin/ash -eu -c secret" {
		t.Error(got)
	}
	if d := decision(t, plan, "health check"); strings.Contains(d.Value, "secret") || !strings.Contains(d.Value, "/bin/ash") || !strings.Contains(d.Why, "-d") {
		t.Errorf("%+v", d)
	}
}

func TestHealthRefused(t *testing.T) {
	for want, h := range map[string]spec.ImageHealth{
		`is of the kind "CMD\u0085X", which is none`: {Test: []string{"CMD\u0085X", "a"}},
		`is of the kind "", which is none`:           {Test: []string{""}},
		"has no command":                             {Test: []string{"CMD"}},
		"has no command ":                            {Test: []string{"CMD-SHELL", ""}},
		"has the impossible interval -1ns":           {Test: []string{"CMD", "a"}, Interval: -1},
		"has the impossible timeout 10µs":            {Test: []string{"CMD", "a"}, Timeout: 10 * time.Microsecond},
		"has the impossible start period 2562047h":   {Test: []string{"CMD", "a"}, StartPeriod: 1<<63 - 1},
		"has the impossible start interval 1ns":      {Test: []string{"CMD", "a"}, StartInterval: 1},
		"cannot fail -1 times":                       {Test: []string{"CMD", "a"}, Retries: -1},
		"zero byte":                                  {Test: []string{"CMD", "a", "b\x00"}},
		"longer than":                                {Test: []string{"CMD", "a", strings.Repeat("b", 1<<17)}},
	} {
		in := input(t, "default")
		in.Image.Config.Health = &h
		_, err := spec.Compile(in)
		want = strings.TrimSpace(strings.ReplaceAll(want, `\u0085`, "\ufffd"))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || problem.HintOf(err) == "" {
			t.Errorf("%q: %v", want, err)
		}
	}
}
