package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec"
)

// TestVitals: a line is a history of checks, a second apart: . passes, x fails,
// t takes too long. What comes out is the health after each, and * marks where
// it has changed.
func TestVitals(t *testing.T) {
	for _, c := range []struct {
		retries int
		start   time.Duration
		checks  string
		want    string
		streak  int
	}{
		{3, 0, "...", "h*hh", 0},
		{3, 0, "xx.", "ssh*", 0},
		{3, 0, "xxxx", "ssu*u", 4},
		{1, 0, "x.x", "u*h*u*", 1},
		{2, 0, ".x.xx.", "h*hhhu*h*", 0},
		{3, 0, "tt.ttt", "ssh*hhu*", 3},
		{1, 3500 * time.Millisecond, "xxxx", "sssu*", 1},         // the fourth begins after the start
		{1, 3500 * time.Millisecond, ".x", "h*u*", 1},            // it has started by then
		{2, 2500 * time.Millisecond, "xxxx.xx", "sssu*h*hu*", 2}, // what did not count is not counted later
		{1, time.Hour, strings.Repeat("x", 20), strings.Repeat("s", 20), 0},
	} {
		begun := time.Unix(1000, 0)
		v := newVitals(spec.Health{Retries: c.retries, StartPeriod: c.start}, begun)
		got := ""
		for i, what := range c.checks {
			check := ledger.Check{Start: begun.Add(time.Duration(i+1) * time.Second), ExitCode: map[rune]int{'.': 0, 'x': 1, 't': -1}[what]}
			changed := v.count(check)
			got += v.status[:1]
			if changed {
				got += "*"
			}
		}
		if got = strings.ReplaceAll(got, "healthy", "h"); got != c.want || v.kept.FailingStreak != c.streak {
			t.Errorf("%s with %d retries and %v to start: %s and %d, want %s and %d", c.checks, c.retries, c.start, got, v.kept.FailingStreak, c.want, c.streak)
		}
		if n := len(v.kept.Log); n != min(len(c.checks), ledger.MaxChecks) || cap(v.kept.Log) > 2*ledger.MaxChecks+2 {
			t.Errorf("%s: %d checks are kept, in room for %d", c.checks, n, cap(v.kept.Log))
		}
	}
}

// TestVitalsPause: how long until the next check.
func TestVitalsPause(t *testing.T) {
	begun := time.Unix(1000, 0)
	plan := spec.Health{Interval: 30 * time.Second, StartInterval: 2 * time.Second, StartPeriod: 10 * time.Second, Retries: 1}
	v := newVitals(plan, begun)
	for after, want := range map[time.Duration]time.Duration{0: 2 * time.Second, 9 * time.Second: 2 * time.Second, 10 * time.Second: 30 * time.Second} {
		if got := v.pause(begun.Add(after)); got != want {
			t.Errorf("%v after the start: %v, want %v", after, got, want)
		}
	}
	if v.count(ledger.Check{Start: begun}); v.pause(begun) != 30*time.Second {
		t.Errorf("once it is healthy: %v", v.pause(begun))
	}
	if got := newVitals(spec.Health{Interval: time.Millisecond}, begun).pause(begun); got != leastPause {
		t.Errorf("a storm: %v", got)
	}
}
