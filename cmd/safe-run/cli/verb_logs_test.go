package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"10m":                       now.Add(-10 * time.Minute),
		"1h30m":                     now.Add(-90 * time.Minute),
		"2026-01-31T12:00:00Z":      time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
		"2026-01-31T12:00:00+02:00": time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC),
		"2026-01-31":                time.Date(2026, 1, 31, 0, 0, 0, 0, time.Local),
		"2026-01-31T12:30":          time.Date(2026, 1, 31, 12, 30, 0, 0, time.Local),
		"1700000000":                time.Unix(1700000000, 0),
		"1700000000.5":              time.Unix(1700000000, 500000000),
	} {
		if got, err := parseMoment("--since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-5", "1e300", "2026-13-01", "NaN"} {
		if got, err := parseMoment("--since", text, now); err == nil || problem.HintOf(err) == "" {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestLineWriter(t *testing.T) {
	var out strings.Builder
	w := newLineWriter(&out)
	at := time.Date(2026, 1, 1, 0, 0, 0, 5, time.UTC)
	for _, text := range []string{"a\n", "b ", "c\n", "d"} {
		if err := w.write(ledger.LogLine{Text: text, Time: at}, true, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	const stamp = "2026-01-01T00:00:00.000000005Z "
	if want := stamp + "a\n" + stamp + "b c\n" + stamp + "d"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
