package integration

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
	"github.com/safe-run/safe-run/spec/event"
)

// deniedBy are the lines of JSON that are denials by a control.
func deniedBy(control, lines string) (list []event.Denial) {
	for line := range strings.Lines(lines) {
		var d event.Denial
		if json.Unmarshal([]byte(line), &d) == nil && d.Control == control {
			list = append(list, d)
		}
	}
	return list
}

// TestEgressDenials: what the network refuses a container is told with where it
// was to go; the lines that are printed let exactly that through, and where no
// profile may, nothing is printed.
func TestEgressDenials(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	top := newTopology(t)
	t.Log("NOTE: what the network refuses is counted by nf_tables, in sets of each container")
	explain := []string{"--explain", "--format", "json"}
	// With some egress there is a route, so that something is sent at all.
	const some = "{to: 192.0.2.77, why: test}"
	policy := func(rules ...string) []string {
		return profile(t, "extends: [web]\nnetwork: {egress: ["+strings.Join(append(rules, some), ", ")+"]}")
	}
	refused := `ECONNREFUSED|EHOSTUNREACH|timeout`
	for _, c := range []struct {
		kind, address string
		port          int
		severity      event.Severity
		opens         bool
	}{
		{"tcp", internetAddress, 80, event.Medium, true},
		{"udp", internetAddress, 80, event.Medium, true},
		{"tcp", worldAddress, 80, event.Medium, true},
		{"tcp", metadataAddress, 80, event.High, false},
		{"tcp", hostAddress, 7000, event.Medium, false},
	} {
		t.Run(c.kind+" "+c.address, func(t *testing.T) {
			to := c.address + ":" + strconv.Itoa(c.port)
			begun := time.Now()
			got := top.peek(t, with(policy(), explain...), "connect", c.kind, to)
			list := deniedBy(event.Network, got.err)
			if !whole(refused, got.line()) || len(list) != 1 {
				t.Fatalf("%q\n%s", got.line(), got.err)
			}
			d := list[0]
			if d.Address != c.address || int(d.Port) != c.port || d.Protocol != c.kind || d.Severity != c.severity || d.Count == 0 ||
				d.First.Before(begun.Add(-time.Second)) || d.Last.Before(d.First) || d.Last.After(time.Now()) || (len(d.Allow) > 0) != c.opens || (d.Instead == "") != c.opens {
				t.Fatalf("%+v", d)
			}
			if !c.opens {
				return
			}
			rule := strings.TrimPrefix(strings.TrimSpace(d.Allow[len(d.Allow)-1]), "- ")
			opened := with(policy(strings.ReplaceAll(rule, "why: ...", "why: test")), explain...)
			if got := top.peek(t, opened, "connect", c.kind, to); got.line() != "ok" && c.kind == "tcp" || len(deniedBy(event.Network, got.err)) > 0 {
				t.Errorf("with %s: %q\n%s", rule, got.line(), got.err)
			}
			other := c.address + ":81"
			if got := top.peek(t, opened, "connect", c.kind, other); len(deniedBy(event.Network, got.err)) != 1 {
				t.Errorf("with %s, to %s: %q\n%s", rule, other, got.line(), got.err)
			}
		})
	}
	t.Run("told without being asked", func(t *testing.T) {
		got := top.peek(t, policy(), "connect", "tcp", metadataAddress+":80")
		if !strings.Contains(got.err, "denied by network: tcp to "+metadataAddress+":80 was refused") {
			t.Errorf("a sign of an attack: %q", got.err)
		}
		if got := top.peek(t, policy(), "connect", "tcp", internetAddress+":80"); strings.Contains(got.err, "denied by network") {
			t.Errorf("of a run that went well: %q", got.err)
		}
	})
	t.Run("what passes, and what is not sent", func(t *testing.T) {
		open := policy("{to: " + internetAddress + ", ports: [80/tcp], why: test}")
		for _, flags := range [][]string{open, profile(t, "")} { // the second has no network at all
			got := top.peek(t, with(flags, explain...), "connect", "tcp", internetAddress+":80")
			if len(deniedBy(event.Network, got.err)) > 0 {
				t.Errorf("%q is a denial:\n%s", got.line(), got.err)
			}
		}
	})
	top.clean(t)
}

// TestEgressDenialsLive: a running container's are told when they are asked for,
// and those of a further process are its own.
func TestEgressDenialsLive(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	top := newTopology(t)
	r, _ := top.start(t, with(profile(t, "extends: [web]\nnetwork: {egress: [{to: 192.0.2.77, why: test}]}"), "--name", "talker"), "sleep", "5m")
	verb := func(words ...string) result {
		return finish(t, top.in(top.host, launcher(t, words...)))
	}
	if got := verb("denials", "talker"); got.line() != "nothing was refused" {
		t.Fatalf("before: %q\n%s", got.out, got.err)
	}
	for range 3 {
		verb("exec", "talker", "/peek", "connect", "tcp", internetAddress+":443")
	}
	verb("exec", "talker", "/peek", "connect", "tcp", metadataAddress+":80")
	list := deniedBy(event.Network, verb("denials", "--format", "json", "talker").out)
	if len(list) != 2 || list[0].Address != metadataAddress || list[1].Address != internetAddress || list[1].Port != 443 || list[1].Count < 3 {
		t.Errorf("%+v", list)
	}
	if got := verb("denials", "talker"); !strings.Contains(got.out, "tcp to "+internetAddress+":443") || strings.Contains(got.out, "[0]") {
		t.Errorf("%s\n%s", got.out, got.err)
	}
	got := verb("profile", "allow", "web", "talker", internetAddress)
	if !strings.Contains(got.out, "to: "+internetAddress) || !strings.Contains(got.out, "443/tcp") || strings.Contains(got.out, metadataAddress) {
		t.Errorf("%s\n%s", got.out, got.err)
	}
	if got := r.end(t, syscall.SIGTERM); !strings.Contains(got.err, "denied by network: tcp to "+metadataAddress+":80") {
		t.Errorf("the end does not say it: %q", got.err)
	}
	top.clean(t)
}

// TestLimitDenials: what the limits of memory and processes refuse is told while
// the container runs and after its end, and the lines that are printed are enough
// for a program that needs a little more.
func TestLimitDenials(t *testing.T) {
	y := newYard(t)
	const script = "i=0; while [ $i -lt 30 ]; do sleep 3 & i=$((i+1)); done; sleep 60"
	y.detach(t, []string{"--pids-limit", "20", "--name", "many"}, "sh", "-c", script)
	var list []event.Denial
	for end := time.Now().Add(patience); len(list) == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		list = deniedBy(event.Pids, y.run(t, "denials", "--format", "json", "many").out)
	}
	if len(list) != 1 || list[0].Count == 0 || !slices.Equal(list[0].Allow, []string{"resources:", "  pids: 40"}) {
		t.Errorf("while it runs: %+v", list)
	}
	y.must(t, "stop", "-t", "1", "many")
	if list := deniedBy(event.Pids, y.run(t, "denials", "--format", "json", "many").out); len(list) != 1 {
		t.Errorf("after its end: %+v", list)
	}
	if got := y.run(t, "profile", "allow", "default", "many", "pids"); !strings.Contains(got.out, "pids: 40") {
		t.Errorf("%s\n%s", got.out, got.err)
	}
	for _, c := range []struct {
		control, flag, less string
		words               []string
		code                int
	}{
		{event.Memory, "--memory", "64m", []string{"alloc", "80"}, 137},
		// One thread in each: how many Go has is its own affair.
		{event.Pids, "--pids-limit", "20", []string{"sh", "-c", "for i in $(busybox seq 25); do busybox sleep 1 & done; wait"}, 2},
	} {
		run := func(flags ...string) result {
			if c.control == event.Memory {
				return peek(t, append([]string{"--explain", "--format", "json"}, flags...), c.words...)
			}
			args := append(append([]string{"run", "--explain", "--format", "json"}, flags...), "dir:"+y.root)
			return y.run(t, append(args, c.words...)...)
		}
		got := run(c.flag, c.less)
		list := deniedBy(c.control, got.err)
		if got.code != c.code || len(list) != 1 || list[0].Count == 0 || len(list[0].Allow) != 2 {
			t.Errorf("%s %s: exit code %d, %+v\n%s", c.flag, c.less, got.code, list, got.err)
			continue
		}
		again := run("--profile", allowing(t, list[0]))
		if list := deniedBy(c.control, again.err); again.code != 0 || len(list) > 0 {
			t.Errorf("with %+v: exit code %d, %+v\n%s", list, again.code, list, again.err)
		}
	}
	if got := peek(t, []string{"--memory", "64m"}, "sleep", "1ms"); got.code != 0 || got.err != "" {
		t.Errorf("within its limits: exit code %d, %q", got.code, got.err)
	}
}
