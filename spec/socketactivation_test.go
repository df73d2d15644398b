package spec_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

var (
	webSocket  = spec.Socket{Name: "web", Domain: "AF_INET6", Type: "SOCK_STREAM"}
	unixSocket = spec.Socket{Name: "app", Domain: "AF_UNIX", Type: "SOCK_STREAM"}
	udpSocket  = spec.Socket{Name: "dns", Domain: "AF_INET", Type: "SOCK_DGRAM"}
	unixPacket = spec.Socket{Name: "log", Domain: "AF_UNIX", Type: "SOCK_DGRAM"}
)

func activation(allow, outbound bool) *profiles.SocketActivation {
	return &profiles.SocketActivation{Allow: &allow, Outbound: &outbound, Why: "systemd listens"}
}

// refusesConnect says whether a plan's filter has connect(2) fail.
func refusesConnect(plan *spec.Plan) bool {
	for _, rule := range plan.OCI.Linux.Seccomp.Syscalls {
		if slices.Equal(rule.Names, []string{"connect"}) && rule.Action == "SCMP_ACT_ERRNO" && len(rule.Args) == 0 {
			return true
		}
	}
	return false
}

func TestSocketActivation(t *testing.T) {
	for _, test := range []struct {
		what     string
		allowed  *profiles.SocketActivation
		sockets  []spec.Socket
		uring    bool
		refused  string
		connects bool
	}{
		{what: "nothing passed", connects: true},
		{what: "nothing said", sockets: []spec.Socket{webSocket}, refused: "does not let into the container"},
		{what: "not allowed", allowed: activation(false, true), sockets: []spec.Socket{unixSocket}, refused: "does not let into the container"},
		{what: "tcp", allowed: activation(true, false), sockets: []spec.Socket{unixSocket, webSocket}},
		{what: "unix", allowed: activation(true, false), sockets: []spec.Socket{unixSocket}, connects: true},
		{what: "outbound", allowed: activation(true, true), sockets: []spec.Socket{webSocket, udpSocket, unixPacket}, connects: true},
		{what: "udp", allowed: activation(true, false), sockets: []spec.Socket{udpSocket}, refused: "dns (AF_INET SOCK_DGRAM)"},
		{what: "unix datagrams", allowed: activation(true, false), sockets: []spec.Socket{unixPacket}, refused: "log"},
		{what: "io_uring", allowed: activation(true, false), sockets: []spec.Socket{webSocket}, uring: true, refused: "no filter of system calls"},
		{what: "io_uring and unix", allowed: activation(true, false), sockets: []spec.Socket{unixSocket}, uring: true, connects: true},
	} {
		t.Run(test.what, func(t *testing.T) {
			in := input(t, "default")
			in.Profile.Process.SocketActivation, in.Request.Sockets = test.allowed, test.sockets
			in.Request.Env = []string{"LISTEN_FDS=99"}
			if test.uring {
				in.Profile.Seccomp.Allow = append(in.Profile.Seccomp.Allow, profiles.Syscall{Name: "io_uring_setup", Why: "test"})
			}
			plan, err := spec.Compile(in)
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) || !strings.Contains(problem.HintOf(err), "process.socketActivation") {
					t.Fatalf("%v; hint: %s", err, problem.HintOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if refusesConnect(plan) == test.connects || plan.Lifecycle.Sockets != len(test.sockets) {
				t.Errorf("connect refused: %t, sockets %d", refusesConnect(plan), plan.Lifecycle.Sockets)
			}
			if len(test.sockets) == 0 {
				return
			}
			var names []string
			for _, s := range test.sockets {
				names = append(names, s.Name)
			}
			env := plan.OCI.Process.Env
			if !slices.Contains(env, "LISTEN_FDNAMES="+strings.Join(names, ":")) || !slices.Contains(env, "LISTEN_PID=1") || slices.Contains(env, "LISTEN_FDS=99") {
				t.Errorf("environment %q", env)
			}
			if d := decision(t, plan, "sockets"); d.Weakens == "" || d.Why != "systemd listens" && d.Why == "" {
				t.Errorf("decision %+v", d)
			}
		})
	}
}

// TestSocketActivationFloor: a floor that does not allow it takes it away, and
// so does one that says nothing of outbound.
func TestSocketActivationFloor(t *testing.T) {
	p := input(t, "default").Profile
	p.Process.SocketActivation = activation(true, true)
	for _, test := range []struct{ allow, outbound bool }{{false, false}, {true, false}, {true, true}} {
		floor := p
		floor.Process.SocketActivation = activation(test.allow, test.outbound)
		got := profiles.Tighten(p, floor)
		if s := got.Process.SocketActivation; *s.Allow != test.allow || *s.Outbound != test.outbound {
			t.Errorf("%+v: %+v", test, s)
		}
		if looser := profiles.Looser(p, floor); len(looser) == 0 != (test.allow && test.outbound) {
			t.Errorf("%+v: looser %+v", test, looser)
		}
	}
}

func TestNotifySocket(t *testing.T) {
	in := input(t, "default")
	in.Request.Env = []string{"NOTIFY_SOCKET=/run/systemd/notify"}
	in.Request.Notify = &spec.Notify{Watchdog: "5000000"}
	plan := compile(t, in)
	env := plan.OCI.Process.Env
	if !slices.Contains(env, "NOTIFY_SOCKET="+spec.NotifyPath) || !slices.Contains(env, "WATCHDOG_USEC=5000000") || slices.Contains(env, "NOTIFY_SOCKET=/run/systemd/notify") {
		t.Errorf("environment %q", env)
	}
	if !plan.Lifecycle.Notify || !slices.Contains(plan.Rootfs.FileMounts, spec.NotifyPath) {
		t.Errorf("%+v", plan.Lifecycle)
	}
	for _, m := range plan.OCI.Mounts {
		if m.Destination == spec.NotifyPath && (!slices.Contains(m.Options, "ro") || !slices.Contains(m.Options, "noexec")) {
			t.Errorf("%+v", m)
		}
	}
	in.Request.Binds = []spec.Bind{{Source: "/srv/app", Target: spec.NotifyPath, IsDir: true, Flag: "-v"}}
	if _, err := spec.Compile(in); err == nil {
		t.Error("a mount lies over the socket")
	}
}
