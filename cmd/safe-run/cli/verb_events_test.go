package cli

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/event"
)

var happened = ledger.Container{
	ID: "0123456789ab", Name: "site", Image: "nginx:1.27@sha256:aa", Profile: "web", Labels: map[string]string{"kind": "a\x1b]0;b", "name": "other"},
}

func TestEventFilter(t *testing.T) {
	e := happened.Event(event.Die, "exitCode", "3")
	for filter, want := range map[string]bool{
		"": true, "event=die": true, "event=start": false, "event=start event=die": true,
		"container=site": true, "container=0123": true, "container=other": false, "container=123": false,
		"type=container": true, "type=volume": false, "volume=site": false,
		"image=nginx:1.27": true, "image=nginx": false, "image=nginx:1.27@sha256:aa": true,
		"label=kind": true, "label=kind=x": false, "label=kind label=nope": false, "label=exitCode=3": true,
		"event=die container=else": false,
	} {
		f, err := parseEventFilter(strings.Fields(filter))
		if err != nil || f.match(e) != want {
			t.Errorf("%q: %v, %v; want %v", filter, f.match(e), err, want)
		}
	}
	for _, bad := range []string{"event", "event=", "colour=red", "=x"} {
		if _, err := parseEventFilter([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestEventFormats(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	e := happened.Event(event.Kill, "signal", "9")
	e.Time = time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"table": `2026-11-21T13:00:00.000000000Z container kill 0123456789ab (image=nginx:1.27@sha256:aa, kind=a\x1b]0;b, name=site, profile=web, signal=9)` + "\n",
		"json": `{"status":"kill","id":"0123456789ab","from":"nginx:1.27@sha256:aa","Type":"container","Action":"kill","Actor":{"ID":"0123456789ab",` +
			`"Attributes":{"image":"nginx:1.27@sha256:aa","kind":"a\u001b]0;b","name":"site","profile":"web","signal":"9"}},"scope":"local","time":1795266000,"timeNano":1795266000000000000}` + "\n",
		"{{.Action}} {{.ID}} {{.Actor.Attributes.kind}} {{.Time}}": `kill 0123456789ab a\x1b]0;b 1795266000` + "\n",
		"{{json .Actor.Attributes.signal}}":                        `"9"` + "\n",
	} {
		var out bytes.Buffer
		write, err := eventWriter(&out, format(text))
		if err == nil {
			err = write(e)
		}
		if err != nil || out.String() != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", text, err, out.String(), want)
		}
	}
	if _, err := eventWriter(nil, "table {{.ID}}"); err == nil {
		t.Error("a table of events")
	}
}

func TestPruneFilter(t *testing.T) {
	now := time.Now()
	r := row{Created: now.Add(-time.Hour), Labels: map[string]string{"kind": "job"}}
	for filter, want := range map[string]bool{
		"": true, "until=10m": true, "until=2h": false, "label=kind": true, "label=kind=x": false, "label!=kind": false, "label!=other": true, "until=10m label=kind=job": true,
	} {
		f, err := parsePruneFilter(strings.Fields(filter), now)
		if err != nil || f.match(r) != want {
			t.Errorf("%q: %v, %v; want %v", filter, f.match(r), err, want)
		}
	}
	for _, bad := range []string{"until", "until=x", "name=x", "label!=", "label="} {
		if _, err := parsePruneFilter([]string{bad}, now); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestChangedLimits: what update has changed is laid over the command line, and
// the floor of the day holds.
func TestChangedLimits(t *testing.T) {
	o, err := parseRun([]string{"--memory", "1g", "--pids-limit", "10", "oci:x"})
	if err != nil {
		t.Fatal(err)
	}
	o.changed(ledger.Limits{Memory: 2 << 30}.Over(ledger.Limits{Memory: 1, MilliCPU: 500}))
	r := o.Layer.Resources
	if *r.Memory != 2<<30 || *r.CPUs != 500 || *r.Pids != 10 {
		t.Errorf("%v %v %v", *r.Memory, *r.CPUs, *r.Pids)
	}
	floor := profiles.Profile{}
	floor.Resources.Memory = new(profiles.Bytes(1 << 30))
	if err := limitsWithin(o.Layer, &floor); err == nil || !strings.Contains(err.Error(), "--memory of safe-run update sets resources.memory to 2GiB") {
		t.Errorf("beyond the floor: %v", err)
	}
}

// TestRelay: a signal that comes before anybody wants it is passed on, too.
func TestRelay(t *testing.T) {
	r := &relay{ch: make(chan os.Signal, 4)}
	got := make(chan string, 4)
	r.ch <- syscall.SIGTERM
	r.pass(func(s os.Signal) { got <- "first " + s.String() })
	if s := <-got; s != "first terminated" {
		t.Error(s)
	}
	r.pass(func(s os.Signal) { got <- "second " + s.String() })
	r.ch <- syscall.SIGHUP
	if s := <-got; s != "second hangup" {
		t.Error(s)
	}
}
