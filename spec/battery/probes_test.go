package battery_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/battery"
)

// knownErrors are what a layer may answer with.
var knownErrors = strings.Fields(`EPERM ENOSYS EACCES EROFS ENOSPC EMFILE ETXTBSY EAFNOSUPPORT ENETUNREACH EHOSTUNREACH
	EADDRNOTAVAIL ETIMEDOUT ECONNREFUSED ENOENT EIO EAGAIN EUSERS ENOMEM SIGSYS SIGKILL`)

var knownLayers = battery.Layers()

// critical are the probes for which one layer is not enough.
const critical = `M01 M02 M03 M04 M05 M06 M07 M08 M09 M17 K01 K02 K03 K04 D01 D02 P03`

func TestProbesAreWhole(t *testing.T) {
	id := regexp.MustCompile(`^[MKXANFDPR]\d\d$`)
	seen := map[string]bool{}
	for _, p := range battery.Probes() {
		if !id.MatchString(p.ID) || seen[p.ID] {
			t.Errorf("%q is no identifier, or there twice", p.ID)
		}
		seen[p.ID] = true
		if p.Title == "" || p.Technique == "" || p.Harmless == "" {
			t.Errorf("%s says too little: %+v", p.ID, p)
		}
		if len(p.Controls) == 0 || slices.Min(p.Controls) < 1 || slices.Max(p.Controls) > 28 {
			t.Errorf("%s: controls %v, want some of 1 to 28", p.ID, p.Controls)
		}
		if p.Critical != slices.Contains(strings.Fields(critical), p.ID) {
			t.Errorf("%s: critical is %v", p.ID, p.Critical)
		}
		if p.Critical && len(p.Layers) < 2 {
			t.Errorf("%s is critical, and one layer alone is known to stop it", p.ID)
		}
		layers(t, p)
	}
	if len(seen) != 100 {
		t.Errorf("%d probes, want 100", len(seen))
	}
}

func layers(t *testing.T, p battery.Probe) {
	t.Helper()
	if len(p.Layers) == 0 {
		t.Errorf("%s: nothing stops it", p.ID)
	}
	var seen []battery.Layer
	for _, stop := range p.Layers {
		if !slices.Contains(knownLayers, stop.Layer) || slices.Contains(seen, stop.Layer) {
			t.Errorf("%s: layer %q is not known, or there twice", p.ID, stop.Layer)
		}
		seen = append(seen, stop.Layer)
		for _, errno := range stop.Errnos {
			if !slices.Contains(knownErrors, errno) {
				t.Errorf("%s: %s is no error that a layer gives", p.ID, errno)
			}
		}
	}
}

func TestFind(t *testing.T) {
	if p, ok := battery.Find("M09"); !ok || p.ID != "M09" {
		t.Errorf("M09 is %+v, %v", p, ok)
	}
	if _, ok := battery.Find("M99"); ok {
		t.Error("M99 was found")
	}
}
