package spec_test

import (
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
)

// TestBreaks: what cannot work is told before it is run, and nothing else is.
func TestBreaks(t *testing.T) {
	powerful := func(in *spec.Input) {
		allowRoot(in)
		for _, name := range []string{"SETUID", "SETGID", "NET_BIND_SERVICE"} {
			in.Profile.Process.Capabilities = append(in.Profile.Process.Capabilities, profiles.Capability{Name: name, Why: "tested"})
		}
		in.Profile.Network.UnprivilegedPortStart = ptr(int64(1024))
	}
	nothing := func(*spec.Input) {}
	publish := func(port uint16) func(*spec.Input) {
		return func(in *spec.Input) {
			in.Profile.Network.UnprivilegedPortStart = ptr(int64(1024))
			in.Request.Publish = []spec.Port{{ContainerPort: port, Protocol: "tcp"}}
		}
	}
	for _, c := range []struct {
		args   []string
		change func(*spec.Input)
		want   string
	}{
		{[]string{"/bin/app", "su"}, nothing, ""},
		{[]string{"/usr/sbin/gosu", "app", "app"}, nothing, "gosu cannot change the user"},
		{[]string{"sh", "-c", "umask 77; exec su-exec app:app /app"}, nothing, "su-exec cannot change the user"},
		{[]string{"sh", "-c", "echo sudoku"}, nothing, ""},
		{[]string{"gosu", "app"}, allowRoot, "gosu cannot"},
		{[]string{"gosu", "app"}, powerful, ""},
		{[]string{"app"}, publish(80), "nothing inside can listen on port 80"},
		{[]string{"app"}, publish(8080), ""},
		{[]string{"app"}, func(in *spec.Input) { powerful(in); publish(80)(in) }, ""},
	} {
		in := input(t, "web")
		in.Image.Config.Entrypoint, in.Request.Args = nil, c.args
		c.change(&in)
		got := ""
		for _, d := range compile(t, in).Decisions {
			got += d.Breaks
		}
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}
