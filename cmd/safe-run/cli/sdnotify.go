package cli

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/safe-run/safe-run/sandbox/service"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// What --sdnotify may be: when the service manager hears that the container is
// ready.
const (
	notifyIgnore    = "ignore"    // never
	notifyRuntime   = "runtime"   // when the program has been executed
	notifyContainer = "container" // when the program says so
	notifyHealthy   = "healthy"   // when its check of health says so
)

var notifyModes = []string{notifyIgnore, notifyRuntime, notifyContainer, notifyHealthy}

// sdnotify reads podman's flag; what it calls conmon is its runtime.
func (b *runBuilder) sdnotify(value string) error {
	if value == "conmon" {
		value = notifyRuntime
	}
	if !slices.Contains(notifyModes, value) {
		return problem.New("write "+strings.Join(notifyModes[:3], ", ")+" or "+notifyHealthy, "%.60q is not a way to be ready", value)
	}
	b.o.SDNotify = value
	return nil
}

// served is what a service manager gave to this process. A supervisor has it
// from whoever started it.
type served struct {
	// Notify is the service manager's NOTIFY_SOCKET, and Watchdog its
	// WATCHDOG_USEC.
	Notify   string `json:"notify,omitempty"`
	Watchdog string `json:"watchdog,omitempty"`
	// Elsewhere: the process that the service manager is to watch is another.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Sockets are what is behind the descriptors in sockets.
	Sockets []spec.Socket `json:"sockets,omitempty"`

	sockets *service.Sockets
	// supervised: this process is a supervisor, which checks health.
	supervised bool
}

// servedVariables are taken out of the environment, so that no process that
// this one starts takes itself for the service.
var servedVariables = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}

// takeServed takes what a service manager gave, for a verb that can make use of
// it. It comes before anything else is opened or started: the sockets are
// numbers of descriptors.
func takeServed(std IO, verb string) (s served, err error) {
	switch {
	case std.Order != nil:
		s = std.Order.Served
		s.supervised = true
		if len(s.Sockets) > 0 {
			s.sockets, err = service.Adopt(ownerSocket+1, s.Sockets)
		}
		return s, err
	case verb == runVerb, verb == "start":
		s.Notify, s.Watchdog = os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC")
		if _, err := strconv.ParseUint(s.Watchdog, 10, 63); err != nil {
			s.Watchdog = ""
		}
		s.sockets, err = service.Take(os.Getenv)
	}
	if s.sockets != nil {
		s.Sockets = s.sockets.Specs
	}
	// Who is started again, or attached to, is watched through this process.
	s.Elsewhere = std.Front != nil || verb == "start"
	for _, name := range servedVariables {
		os.Unsetenv(name)
	}
	return s, err
}

// files are the sockets' descriptors.
func (s served) files() []*os.File {
	if s.sockets == nil {
		return nil
	}
	return s.sockets.Files
}

// environ is the environment of another process of this launcher, which is to
// speak with the service manager in its place.
func (s served) environ() []string {
	env := os.Environ()
	if s.Notify != "" {
		env = append(env, "NOTIFY_SOCKET="+s.Notify, "WATCHDOG_USEC="+s.Watchdog)
	}
	return env
}

// found says that a container which was to be started runs already.
func (s served) found(name string) {
	if s.Notify == "" {
		return
	}
	if manager, err := service.Open(s.Notify); err == nil {
		_ = manager.Tell("READY=1", "STATUS=container "+name+" was running already")
	}
}

// notifier tells the service manager how a container is; nil tells nobody.
type notifier struct {
	manager *service.Manager
	mode    string
	// main names the process to watch; empty where it is another.
	main []string
	// checked: the container's health is looked after here.
	checked bool
}

// serve makes o ask for what the service manager gave.
func (o *runOptions) serve(s served) error {
	o.Request.Sockets, o.sockets = s.Sockets, s.files()
	mode := o.SDNotify
	if mode == "" {
		mode = notifyRuntime
	}
	if s.Notify == "" || mode == notifyIgnore {
		return nil
	}
	manager, err := service.Open(s.Notify)
	if err != nil {
		return err
	}
	o.notifier = &notifier{manager: manager, mode: mode, checked: s.supervised}
	if !s.Elsewhere {
		o.notifier.main = []string{"MAINPID=" + strconv.Itoa(os.Getpid())}
	}
	if mode == notifyContainer {
		o.Request.Notify = &spec.Notify{Watchdog: s.Watchdog}
	}
	return nil
}

// tell passes lines on. A service manager that has gone away has nobody who
// could be told of it.
func (n *notifier) tell(lines ...string) {
	if n != nil {
		_ = n.manager.Tell(lines...)
	}
}

// executed says that the program runs, which is not always that it is ready.
func (n *notifier) executed(name string) {
	if n == nil {
		return
	}
	lines := slices.Clone(n.main)
	if n.mode != notifyContainer { // it has a status of its own
		lines = append(lines, "STATUS=container "+name+" runs")
	}
	if n.mode == notifyRuntime {
		lines = append(lines, "READY=1")
	}
	if len(lines) > 0 {
		n.tell(lines...)
	}
}

// possible fails when the container can never be ready.
func (n *notifier) possible(plan *spec.Plan) error {
	switch {
	case n == nil || n.mode != notifyHealthy:
		return nil
	case !n.checked:
		return problem.New("add -d, or write --sdnotify=runtime", "--sdnotify=healthy: a container in the foreground is not checked")
	case plan.Lifecycle.Health != nil:
		return nil
	}
	return problem.New("write --sdnotify=runtime, or give it a health check", "--sdnotify=healthy: %s has no health check", plan.Image.Reference)
}

// healthy says that the check of health was passed.
func (n *notifier) healthy() {
	if n != nil && n.mode == notifyHealthy {
		n.tell(append([]string{"READY=1"}, n.main...)...)
	}
}

// stopping says that the container was asked to end.
func (n *notifier) stopping() { n.tell("STOPPING=1") }

// asked is stopping for a signal that ends containers.
func (n *notifier) asked(sig syscall.Signal, stop string) {
	if n != nil && (slices.Contains(endingSignals, os.Signal(sig)) || sig == stopSignal(stop)) {
		n.stopping()
	}
}

// pass passes on what the container says itself.
func (n *notifier) pass(lines []string) {
	if n == nil {
		return
	}
	if slices.Contains(lines, "READY=1") {
		lines = append(lines, n.main...)
	}
	n.tell(lines...)
}
