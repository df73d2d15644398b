package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
)

func TestFilters(t *testing.T) {
	rows := []row{
		{ID: "aa1", Name: "web-1", Image: "nginx:latest", Status: ledger.Running, Labels: map[string]string{"kind": "web", "team": "x"}, Health: "healthy"},
		{ID: "aa2", Name: "web-2", Image: "nginx:1", Status: ledger.Exited, ExitCode: 3, Labels: map[string]string{"kind": "web"}},
		{ID: "bb3", Name: "job", Image: "app@sha256:0", Status: ledger.Dead, ExitCode: 137},
	}
	for filters, want := range map[string]string{
		"":                                "web-1 web-2 job",
		"name=web":                        "web-1 web-2",
		"name=web-1 name=job":             "web-1 job",
		"id=aa":                           "web-1 web-2",
		"status=exited status=dead":       "web-2 job",
		"label=kind":                      "web-1 web-2",
		"label=kind=web label=team":       "web-1",
		"label=kind=other":                "",
		"exited=137":                      "job",
		"name=web exited=3 status=exited": "web-2",
		"ancestor=nginx":                  "web-1",
		"ancestor=app":                    "job",
		"health=healthy":                  "web-1",
		"health=none health=unhealthy":    "web-2 job",
	} {
		f, err := parseFilters(strings.Fields(filters))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range (psOptions{filter: f, last: -1}).choose(rows) {
			got = append(got, r.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", filters, got, want)
		}
	}
	for _, bad := range []string{"name", "name=", "colour=red", "health=fine", "status=flying", "exited=x"} {
		if _, err := parseFilters([]string{bad}); err == nil {
			t.Errorf("--filter %s was taken", bad)
		}
	}
	if got := (psOptions{latest: true, last: -1}).choose(rows); len(got) != 1 || got[0].Name != "web-1" {
		t.Errorf("-l: %+v", got)
	}
	if got := (psOptions{last: 2}).choose(rows); len(got) != 2 {
		t.Errorf("-n 2: %+v", got)
	}
}

func TestDescribe(t *testing.T) {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d - 100*time.Millisecond) }
	for want, r := range map[string]row{
		"Up 5 minutes":                      {Status: ledger.Running, Started: ago(5 * time.Minute)},
		"Up 1 hour (healthy)":               {Status: ledger.Running, Started: ago(time.Hour), Health: "healthy"},
		"Up 3 seconds (health: starting)":   {Status: ledger.Running, Started: ago(3 * time.Second), Health: "starting"},
		"Up 2 days (Paused)":                {Status: ledger.Paused, Started: ago(50 * time.Hour)},
		"Exited (0) 3 weeks ago":            {Status: ledger.Exited, Finished: ago(22 * 24 * time.Hour)},
		"Restarting (1) 1 second ago":       {Status: ledger.Restarting, ExitCode: 1, Finished: ago(time.Second)},
		"Exited (1) less than a second ago": {Status: ledger.Exited, ExitCode: 1, Finished: time.Now()},
		"Created":                           {Status: ledger.Created},
		"Dead (137) 3 months ago":           {Status: ledger.Dead, ExitCode: 137, Finished: ago(100 * 24 * time.Hour)},
		"Dead (damaged)":                    {Status: ledger.Dead, Damage: "x"},
	} {
		if got := r.describe(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := quoteCommand("sh -c 'é\x1b[2J' and more and more", false); got != `"sh -c 'é\x1b[2J' and m…"` {
		t.Errorf("a command is shown as %s", got)
	}
}
