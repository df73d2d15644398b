package result

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	for _, test := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{nil, 0.5, 0}, {[]float64{3}, 0.95, 3}, {[]float64{4, 1, 2, 3}, 0.5, 2.5}, {[]float64{1, 2, 3, 4, 5}, 1, 5}, {[]float64{1, 2, 3, 4, 5}, 0.25, 2},
	} {
		if got := Quantile(test.values, test.q); got != test.want {
			t.Errorf("Quantile(%v, %v) = %v, want %v", test.values, test.q, got, test.want)
		}
	}
}

func TestRatio(t *testing.T) {
	r := RatioOf([]float64{1, 1.1, 0.9, 1, 1}, []float64{2, 2.1, 1.9, 2, 2})
	if r.Value != 0.5 || r.Low > r.Value || r.High < r.Value || r.Low < 0.4 || r.High > 0.6 {
		t.Errorf("ratio %+v, want 0.5 within a narrow interval", r)
	}
	if again := RatioOf([]float64{1, 1.1, 0.9, 1, 1}, []float64{2, 2.1, 1.9, 2, 2}); again != r {
		t.Errorf("the same measurements gave %+v and %+v", r, again)
	}
}

func example() *Run {
	run := &Run{Date: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Rounds: 3, Machine: Machine{Kernel: "6.18<", Versions: map[string]string{"runc": "1.5.2"}}}
	s := &Scene{Name: "dir", Title: "true & nothing else", Contestants: []*Contestant{
		{Name: "safe-run", Seconds: []float64{0.02, 0.02, 0.03}, Peak: 20 << 20},
		{Name: "runc", Seconds: []float64{0.04, 0.04, 0.05}}, {Name: "gone", Without: "not installed"},
	}, Targets: []*Target{{Of: "safe-run", To: "runc", Most: 0.6}, {Of: "safe-run", To: "gone", Most: 1}, {Of: "safe-run", Most: 0.01, Why: "it has to start."}}, Note: "a note"}
	s.Judge()
	run.Scenes = []*Scene{s}
	return run
}

func TestTargets(t *testing.T) {
	run := example()
	kept := []bool{true, false, false}
	for i, target := range run.Scenes[0].Targets {
		if target.Kept() != kept[i] {
			t.Errorf("%s: kept %t", target.text(), target.Kept())
		}
	}
	if broken := run.Broken(); len(broken) != 2 || !strings.Contains(broken[0], "not measured") || !strings.Contains(broken[1], "20.00 ms") {
		t.Errorf("broken: %q", broken)
	}
}

func TestWritten(t *testing.T) {
	run := example()
	var table, markdown, svg bytes.Buffer
	run.Scenes[0].Table(&table)
	run.Markdown(&markdown)
	run.SVG(&svg)
	for _, words := range []string{"true & nothing else", "not installed", "20.0 MiB", "kept", "BROKEN"} {
		if !strings.Contains(table.String(), words) {
			t.Errorf("the table has no %q:\n%s", words, table.String())
		}
	}
	for _, words := range []string{"2026-11-22", "0.50 (", "| kept", "**broken**", "\na note\n", "## What falls short, and why\n\n- dir: safe-run to gone", "BROKEN. it has to start.", "- runc: 1.5.2"} {
		if !strings.Contains(markdown.String(), words) {
			t.Errorf("the page has no %q:\n%s", words, markdown.String())
		}
	}
	for dec := xml.NewDecoder(&svg); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the plot is no XML: %v", err)
		}
	}
}

// TestJudged: the verdict on a promise goes by the median, and the page says when
// its interval leaves it open.
func TestJudged(t *testing.T) {
	for name, tt := range map[string]struct {
		of, to []float64
		most   float64
		kept   bool
		open   bool
	}{
		"at the bound":    {[]float64{1, 1, 1}, []float64{2, 2, 2}, 0.5, true, true},
		"above":           {[]float64{1.02, 1.02, 1.02}, []float64{2, 2, 2}, 0.5, false, false},
		"above, and wide": {[]float64{0.9, 1.02, 1.1}, []float64{2, 2, 2}, 0.5, false, true},
		"one slow run":    {[]float64{1, 1, 9}, []float64{2, 2, 2}, 0.5, true, true},
	} {
		s := &Scene{Contestants: []*Contestant{{Name: "a", Seconds: tt.of}, {Name: "b", Seconds: tt.to}}, Targets: []*Target{{Of: "a", To: "b", Most: tt.most}}}
		s.Judge()
		target := s.Targets[0]
		if open := strings.Contains(target.reason(), "holds the bound"); target.Kept() != tt.kept || open != tt.open {
			t.Errorf("%s: kept %t, open %t: %+v", name, target.Kept(), open, target.Got)
		}
	}
}

// TestNothingBroken: a page without broken promises says so.
func TestNothingBroken(t *testing.T) {
	var page bytes.Buffer
	(&Run{}).Markdown(&page)
	if !strings.Contains(page.String(), "All promises are kept.") {
		t.Error(page.String())
	}
}
