package cli

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func TestSDNotifyFlag(t *testing.T) {
	for value, want := range map[string]string{
		"conmon": notifyRuntime, "runtime": notifyRuntime, "container": notifyContainer, "healthy": notifyHealthy, "ignore": notifyIgnore,
	} {
		o, err := parseRun([]string{"-d", "--sdnotify=" + value, "oci:x"})
		if err != nil || o.SDNotify != want {
			t.Errorf("%s: %q, %v", value, o.SDNotify, err)
		}
		// It means the same when the container is started again.
		if !slices.Contains(o.Again, "--sdnotify="+value) {
			t.Errorf("recorded: %q", o.Again)
		}
	}
	for _, bad := range []string{"", "yes", "Container"} {
		if _, err := parseRun([]string{"--sdnotify=" + bad, "oci:x"}); err == nil || problem.HintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// told is what one message says, when what is done; empty when nothing is.
func told(t *testing.T, conn *net.UnixConn, what func()) string {
	t.Helper()
	what()
	// It is there already: the other end is this process.
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 1000)
	n, err := conn.Read(data)
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(data[:n]), "\n", " ")
}

func TestNotifier(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	main := "MAINPID=" + strconv.Itoa(os.Getpid())
	for _, test := range []struct {
		mode                            string
		elsewhere                       bool
		executed, healthy, ready, asked string
	}{
		{mode: "", executed: main + " STATUS=container x runs READY=1", ready: "READY=1 " + main, asked: "STOPPING=1"},
		{mode: notifyRuntime, elsewhere: true, executed: "STATUS=container x runs READY=1", ready: "READY=1", asked: "STOPPING=1"},
		{mode: notifyContainer, executed: main, ready: "READY=1 " + main, asked: "STOPPING=1"},
		{mode: notifyHealthy, executed: main + " STATUS=container x runs", healthy: "READY=1 " + main, ready: "READY=1 " + main, asked: "STOPPING=1"},
		{mode: notifyIgnore},
	} {
		o := runOptions{SDNotify: test.mode}
		if err := o.serve(served{Notify: name, Watchdog: "7", Elsewhere: test.elsewhere}); err != nil {
			t.Fatal(err)
		}
		n := o.notifier
		for what, do := range map[string]struct {
			want string
			do   func()
		}{
			"executed":  {test.executed, func() { n.executed("x") }},
			"healthy":   {test.healthy, n.healthy},
			"ready":     {test.ready, func() { n.pass([]string{"READY=1"}) }},
			"asked":     {test.asked, func() { n.asked(syscall.SIGUSR1, "SIGUSR1") }},
			"not asked": {"", func() { n.asked(syscall.SIGUSR2, "SIGUSR1") }},
		} {
			if got := told(t, conn, do.do); got != do.want {
				t.Errorf("%q, %s: %q, want %q", test.mode, what, got, do.want)
			}
		}
		if (o.Request.Notify != nil) != (test.mode == notifyContainer) {
			t.Errorf("%q: a socket inside: %v", test.mode, o.Request.Notify)
		}
	}
}

func TestTakeServed(t *testing.T) {
	for name, value := range map[string]string{"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "garbage", "LISTEN_PID": "1", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "a"} {
		t.Setenv(name, value)
	}
	s, err := takeServed(IO{}, runVerb)
	if err != nil || s.Notify != "/run/x" || s.Watchdog != "" || s.Sockets != nil || s.Elsewhere {
		t.Errorf("%+v, %v", s, err)
	}
	for _, name := range servedVariables {
		if value, left := os.LookupEnv(name); left {
			t.Errorf("%s=%s is left", name, value)
		}
	}
	if env := s.environ(); !slices.Contains(env, "NOTIFY_SOCKET=/run/x") {
		t.Errorf("%q", env)
	}
	t.Setenv("LISTEN_PID", "garbage")
	if _, err := takeServed(IO{}, "ps"); err != nil {
		t.Errorf("a verb without use for it: %v", err)
	}
	t.Setenv("LISTEN_PID", "garbage")
	if _, err := takeServed(IO{}, "start"); err == nil {
		t.Error("garbage is taken")
	}
	order := &Order{Served: served{Notify: "/n", Elsewhere: true}}
	if s, err := takeServed(IO{Order: order}, runVerb); err != nil || !s.Elsewhere || !s.supervised || s.Notify != "/n" {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestHealthyIsChecked: what nobody checks can never be healthy.
func TestHealthyIsChecked(t *testing.T) {
	plan := &spec.Plan{}
	plan.Lifecycle.Health = &spec.Health{}
	for _, test := range []struct {
		n    *notifier
		plan *spec.Plan
		ok   bool
	}{
		{nil, &spec.Plan{}, true},
		{&notifier{mode: notifyRuntime}, &spec.Plan{}, true},
		{&notifier{mode: notifyHealthy}, plan, false},
		{&notifier{mode: notifyHealthy, checked: true}, plan, true},
		{&notifier{mode: notifyHealthy, checked: true}, &spec.Plan{}, false},
	} {
		if err := test.n.possible(test.plan); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// TestShutDownIsNobody: a container that is ended with its host is started again
// with it, unless a person had stopped it before.
func TestShutDownIsNobody(t *testing.T) {
	s := &supervisor{wake: make(chan struct{})}
	s.shutDown()
	if s.byPerson() || !s.isStopped() {
		t.Error("a signal to the supervisor is taken for a person's wish")
	}
	s = &supervisor{wake: make(chan struct{})}
	s.stop(nil, false)
	s.shutDown()
	if !s.byPerson() {
		t.Error("a person's wish is forgotten")
	}
}
