package network

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// launch runs a launcher and gives its process and its output.
func startLauncher(t *testing.T, l launch) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"="+roleLauncher)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if l.Nobody {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(in).Encode(l); err != nil {
		t.Error(err)
	}
	in.Close()
	return cmd, bufio.NewReader(out)
}

// Many launchers at once, each in a process of its own.
func TestParallelLaunchers(t *testing.T) {
	state := stateDir(t)
	const rounds, width = 2, 20
	for range rounds {
		var wg sync.WaitGroup
		for i := range width {
			p, err := startPeer(true)
			if err != nil {
				t.Fatal(err)
			}
			defer p.stop()
			cfg := Config{ID: newID(), Slot: i, State: state, Network: spec.Network{
				Mode: spec.NetworkBridge, Egress: everywhere(),
				Publish: []spec.Port{publish("127.0.0.1", uint16(9100+i), 80, "tcp")},
			}}
			cmd, out := startLauncher(t, launch{Config: cfg, Pid: p.pid(), Detach: true})
			wg.Go(func() {
				all, _ := io.ReadAll(out)
				if err := cmd.Wait(); err != nil || !strings.Contains(string(all), "detached") {
					t.Errorf("launcher %d: %v %s", i, err, all)
				}
			})
		}
		wg.Wait()
	}
}

// A launcher is killed; what it left works on, and is removed by its id.
func TestKilledLauncher(t *testing.T) {
	state := stateDir(t)
	p, err := startPeer(true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	cfg := Config{ID: newID(), Slot: 7, State: state, Network: spec.Network{
		Mode: spec.NetworkBridge, Egress: everywhere(), Publish: []spec.Port{publish("0.0.0.0", 9200, 80, "tcp")},
	}}
	cmd, out := startLauncher(t, launch{Config: cfg, Pid: p.pid()})
	if line, _ := out.ReadString('\n'); !strings.HasPrefix(line, "attached") {
		t.Fatal(line)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if got := p.dial("tcp", farA+":80"); !strings.HasPrefix(got, "ok") {
		t.Error("the sandbox lost its network with its launcher:", got)
	}
	for range 2 { // the second finds nothing
		if err := Remove(state, cfg.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.dial("tcp", farA+":80"); strings.HasPrefix(got, "ok") {
		t.Error("the network is still there:", got)
	}
}

// Launchers are killed at any moment of attaching.
func TestLaunchersKilledAnywhere(t *testing.T) {
	state := stateDir(t)
	for i := range 15 {
		p, err := startPeer(true)
		if err != nil {
			t.Fatal(err)
		}
		cfg := Config{ID: newID(), Slot: i, State: state, Network: spec.Network{
			Mode: spec.NetworkBridge, Egress: everywhere(), Publish: []spec.Port{publish("0.0.0.0", 9300, 80, "udp")},
		}}
		cmd, _ := startLauncher(t, launch{Config: cfg, Pid: p.pid()})
		time.Sleep(time.Duration(i*2) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		p.stop()
		if i%3 != 2 {
			continue // the next one finds the leavings, its port among them
		}
		if err := Sweep(state, func(string) bool { return false }); err != nil {
			t.Fatal(err)
		}
	}
}

// Sweep removes the dead and keeps the living.
func TestSweep(t *testing.T) {
	state := stateDir(t)
	live := attach(t, state, spec.Network{Egress: everywhere()})
	dead := attach(t, state, spec.Network{Egress: everywhere()})
	lost := attach(t, state, spec.Network{Egress: everywhere()})
	if err := os.Remove(filepath.Join(state, "network", lost.cfg.ID+".json")); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(state, func(id string) bool { return id == live.cfg.ID }); err != nil {
		t.Fatal(err)
	}
	try{"the living", live.dial, farA + ":80", "ok"}.run(t, "tcp")
	for _, b := range []*box{dead, lost} {
		if _, err := netlink.LinkByName(linkName(b.cfg.ID)); err == nil {
			t.Errorf("%s is still there", linkName(b.cfg.ID))
		}
		err := eachRule(func(r *nftables.Rule, _ string) error {
			if strings.HasPrefix(r.Chain.Name, chainName(b.cfg.ID)) {
				return errors.New("there are still rules of " + r.Chain.Name)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	// A record that is spoilt costs its own sandbox the network only.
	if err := os.WriteFile(filepath.Join(state, "network", dead.cfg.ID+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Remove(state, dead.cfg.ID); err != nil {
		t.Fatal(err)
	}
	try{"the living", live.dial, farA + ":80", "ok"}.run(t, "tcp")
}

// Someone flushes the whole ruleset: the next sandbox brings back the rules of
// all, and what was closed is closed again.
func TestFlushedRuleset(t *testing.T) {
	state := stateDir(t)
	old := attach(t, state, spec.Network{Egress: everywhere(), Publish: []spec.Port{publish("0.0.0.0", 8080, 80, "tcp")}})
	old.listen(t, "tcp", "0.0.0.0:80")
	change(t, func(b batch) error { b.FlushRuleset(); return nil })
	attach(t, state, spec.Network{})
	try{"the old sandbox", old.dial, farA + ":80", "ok"}.run(t, "tcp")
	try{"the old sandbox", old.dial, metadataIP + ":80", "refused"}.run(t, "tcp")
	try{"the old sandbox", old.dial, gateway() + ":" + hostService, "refused"}.run(t, "tcp")
	try{"outside", outside.dial, wanIP + ":8080", "ok"}.run(t, "tcp")
	try{"neighbour", neighbourhood.dial, farA + ":80", "timeout"}.run(t, "tcp")
}

// Its connections are forgotten with a sandbox.
func TestConnectionsAreForgotten(t *testing.T) {
	state := stateDir(t)
	b := attach(t, state, spec.Network{Egress: everywhere(), Publish: []spec.Port{publish("0.0.0.0", 8080, 80, "udp")}})
	b.listen(t, "udp", "0.0.0.0:80")
	try{"sandbox", b.dial, farA + ":80", "ok"}.run(t, "udp")
	try{"outside", outside.dial, wanIP + ":8080", "ok"}.run(t, "udp")
	if n := flowsOf(t, b.ip); n < 2 {
		t.Fatalf("%d connections are known, want 2 or more", n)
	}
	if err := b.att.Detach(); err != nil {
		t.Fatal(err)
	}
	if n := flowsOf(t, b.ip); n != 0 {
		t.Errorf("%d connections are still known", n)
	}
}

func flowsOf(t *testing.T, ip string) (n int) {
	t.Helper()
	flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range flows {
		if strings.Contains(fmt.Sprint(f), "="+ip+" ") {
			n++
		}
	}
	return n
}

// A UDP client that was sending before the port was published is served.
func TestClientBeforeServer(t *testing.T) {
	for _, ip := range []string{"0.0.0.0", wanIP} {
		t.Run(ip, func(t *testing.T) {
			state := stateDir(t)
			r, err := Reserve([]spec.Port{publish(ip, 8080, 80, "udp")})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			// Connections are tracked while there is a sandbox: only then
			// does the kernel remember this one without translation.
			attach(t, state, spec.Network{})
			if got := outside.do(order{Op: "hold", Proto: "udp", Addr: wanIP + ":8080"}); got != "timeout" {
				t.Fatal("before the sandbox:", got)
			}
			b := attach(t, state, spec.Network{Publish: r.Ports()})
			b.listen(t, "udp", "0.0.0.0:80")
			more := func() string { return outside.do(order{Op: "more"}) }
			ok := func(got string) bool { return strings.HasPrefix(got, "ok") }
			if got := settle(ok, more); !ok(got) {
				t.Error("after:", got)
			}
		})
	}
}

// Without privileges the error is one line that says so.
func TestWithoutPrivileges(t *testing.T) {
	state := stateDir(t)
	p, err := startPeer(true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	cfg := Config{ID: newID(), State: state, Network: bridged()}
	cmd, out := startLauncher(t, launch{Config: cfg, Pid: p.pid(), Nobody: true})
	all, _ := io.ReadAll(out)
	cmd.Wait()
	if got := string(all); !strings.HasPrefix(got, "attach: ") || strings.Count(got, "\n") != 2 ||
		!strings.Contains(got, "hint: run safe-run as root") {
		t.Errorf("launcher without privileges: %q", got)
	}
}

// BenchmarkAttach is the cost beside another sandbox: what is shared is there.
func BenchmarkAttach(b *testing.B) {
	if !onHost {
		b.Skip("NOT CHECKED: needs root")
	}
	state := b.TempDir()
	one := func(slot int) (attached, detached time.Duration) {
		p, err := startPeer(true)
		if err != nil {
			b.Fatal(err)
		}
		p.do(order{Op: "received"}) // it runs
		cfg := Config{ID: newID(), Slot: slot, State: state, Network: spec.Network{
			Mode: spec.NetworkBridge, Egress: everywhere(), Publish: []spec.Port{publish("127.0.0.1", uint16(8080+slot), 80, "tcp")},
		}}
		start := time.Now()
		a, err := Attach(context.Background(), cfg, p.pid())
		if err != nil {
			b.Fatal(err)
		}
		attached = time.Since(start)
		if slot == 0 {
			b.Cleanup(func() { a.Detach(); p.stop() })
			return attached, 0
		}
		defer p.stop()
		if err := a.Detach(); err != nil {
			b.Fatal(err)
		}
		return attached, time.Since(start) - attached
	}
	first, _ := one(0)
	var attached, detached time.Duration
	n := 0
	for b.Loop() {
		a, d := one(1)
		attached, detached, n = attached+a, detached+d, n+1
	}
	b.ReportMetric(float64(first.Microseconds()), "µs/first-attach")
	b.ReportMetric(float64(attached.Microseconds())/float64(n), "µs/attach")
	b.ReportMetric(float64(detached.Microseconds())/float64(n), "µs/detach")
}

func TestAttachUntil(t *testing.T) {
	state := stateDir(t)
	p, err := startPeer(true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	lock, err := takeLock(context.Background(), filepath.Join(state, "network.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = Attach(ctx, Config{ID: newID(), State: state, Network: spec.Network{Mode: spec.NetworkBridge}}, p.pid())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("attach while someone holds the lock: %v", err)
	}
}

// An attempt that fails late, after the rules, keeps no sockets.
func TestAttachFailsWhole(t *testing.T) {
	state := stateDir(t)
	attach(t, state, spec.Network{})
	p, err := startPeer(true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	before := open()
	for range 20 {
		cfg := Config{ID: newID(), Slot: 250, State: state, Network: bridged()}
		if _, err := Attach(ended, cfg, p.pid()); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if after := open(); after > before {
		t.Errorf("%d descriptors are open, were %d", after, before)
	}
}
