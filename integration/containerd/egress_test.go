package containerd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netns"
)

// neighbours are two network namespaces, of which one stands for all the world.
type neighbours struct{ own, world string }

func (e *engine) neighbours() neighbours {
	e.t.Helper()
	n := neighbours{"own-" + e.namespace, "world-" + e.namespace}
	for _, name := range []string{n.own, n.world} {
		ip(e.t, "netns add "+name)
		e.t.Cleanup(func() { ip(e.t, "netns del "+name) })
	}
	ip(e.t, fmt.Sprintf("link add eth0 netns %s type veth peer name eth0 netns %s", n.own, n.world))
	for ns, lines := range map[string][]string{
		n.own:   {"link set lo up", "addr add 10.99.0.2/24 dev eth0", "addr add fd99::2/64 dev eth0 nodad", "link set eth0 up", "route add default via 10.99.0.1", "-6 route add default via fd99::1"},
		n.world: {"link set lo up", "addr add 10.99.0.1/24 dev eth0", "addr add 10.99.0.3/24 dev eth0", "addr add fd99::1/64 dev eth0 nodad", "addr add 169.254.169.254/32 dev lo", "addr add fd00:ec2::254/128 dev lo nodad", "link set eth0 up"},
	} {
		for _, line := range lines {
			ip(e.t, "-n "+ns+" "+line)
		}
	}
	return n
}

func ip(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", line, err, out)
	}
}

// greet answers connections to a port with a word; in a namespace, unless that is
// empty.
func (e *engine) greet(namespace string, port int) int {
	e.t.Helper()
	made := make(chan net.Listener)
	go func() {
		runtime.LockOSThread() // and with the goroutine the thread ends
		if namespace != "" {
			ns, err := netns.GetFromName(namespace)
			if err == nil {
				err = netns.Set(ns)
			}
			if err != nil {
				e.t.Error(err)
			}
		}
		l, err := net.Listen("tcp", fmt.Sprint(":", port))
		if err != nil {
			e.t.Error(err)
		}
		made <- l
	}()
	l := <-made
	e.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("hello\n"))
			c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

const families = "seccomp: {addressFamilies: [{name: AF_INET, why: x}, {name: AF_INET6, why: x}]}\n"

// outward is webby with ways out.
func (e *engine) outward(name string, egress string) string {
	text := strings.Replace(webby, "webby", name, 1) + "network: {mode: bridge, why: it asks, egress: [" + egress + "]}\n" + families
	return e.write("shim-"+name+".yaml", head+"kind: Shim\nprofile: "+e.write(name+".yaml", text)+"\ndenials: "+e.notices()+"\n")
}

// TestEgress: out of a network that somebody else has made gets what the profile
// lists, by either address family, and nothing else; what does not is told of.
func TestEgress(t *testing.T) {
	e := newEngine(t, "")
	n := e.neighbours()
	e.greet(n.world, 80)
	e.greet(n.world, 81)
	config := e.outward("asks", "{to: 10.99.0.1, ports: [80/tcp], why: x}, {to: 'fd99::1', ports: [80/tcp], why: x}")
	with := func(config, id string, command ...string) []string {
		flags := []string{"--runtime-config-path", config, "--user", "1000:1000", "--with-ns", "network:/run/netns/" + n.own}
		return e.run(append(append(flags, e.rootfs(), id), command...)...)
	}
	// Without rules all of them answer.
	everywhere := "for to in '10.99.0.1 80' '10.99.0.1 81' '10.99.0.3 80' '169.254.169.254 80' 'fd99::1 80' 'fd99::1 81' 'fd00:ec2::254 80'; do echo $to: $(nc -w 5 $to </dev/null 2>&1); done"
	code, out := e.ctr(with(e.write("none.yaml", unconfined), "none", "/bin/sh", "-c", everywhere)...)
	if code != 0 || strings.Count(out, "hello") != 7 {
		t.Fatalf("without rules: exit %d: %s", code, out)
	}
	e.remove("none")

	e.must(append([]string{"run", "-d"}, with(config, "c", "/bin/sh", "-c", "while :; do echo in | nc -l -p 8080; done")[1:]...)...)
	_, out = e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/sh", "-c", everywhere)
	for _, to := range []string{"10.99.0.1 80", "fd99::1 80"} {
		if !strings.Contains(out, to+": hello\n") {
			t.Errorf("%s does not answer: %s", to, out)
		}
	}
	if strings.Count(out, "hello") != 2 {
		t.Errorf("more is open than the profile says: %s", out)
	}
	e.eventually("what comes in is answered", func() bool {
		got, _ := exec.Command("ip", "netns", "exec", n.world, "busybox", "nc", "-w", "5", "10.99.0.2", "8080").CombinedOutput()
		return string(got) == "in\n"
	})
	want := map[string]string{
		"10.99.0.1:81": "network.egress: [{to: 10.99.0.1, ports: [81/tcp]", "10.99.0.3:80": "", "169.254.169.254:80": "no profile should open it",
		"fd99::1:81": "network.egress: [{to: fd99::1, ports: [81/tcp]", "fd00:ec2::254:80": "no profile should open it",
	}
	var told map[string]string
	e.eventually("all five are told of while the container runs", func() bool {
		told = map[string]string{}
		for _, one := range e.told("c") {
			if one.Denial.Address != "" {
				told[fmt.Sprint(one.Denial.Address, ":", one.Denial.Port)] = one.Hint
			}
		}
		return len(told) >= len(want)
	})
	for to, hint := range want {
		if got, is := told[to]; !is || !strings.Contains(got, hint) {
			t.Errorf("of %s it is told %q", to, got)
		}
	}
	if len(told) != len(want) {
		t.Errorf("told of %v", told)
	}
	code, out = e.ctr(with(e.outward("asksmore", "{to: 10.99.0.1, why: x}"), "other", "/bin/echo", "it ran")...)
	if code == 0 || strings.Contains(out, "it ran") || !strings.Contains(out, "has the rules of another profile already") {
		t.Errorf("with another profile: exit %d: %s", code, out)
	}
	e.must("container", "rm", "other")
	e.remove("c")
}

// TestEgressAlone: a network that the runtime makes is held to the profile before
// the program runs; a namespace that is none, and power over the rules, are refused.
func TestEgressAlone(t *testing.T) {
	e := newEngine(t, "")
	admin := strings.Replace(webby, "webby", "admin", 1) + "process: {capabilities: [{name: NET_ADMIN, why: x}]}\n"
	for i, c := range []struct {
		config string
		flags  []string
		want   string
	}{
		{e.outward("some", "{to: 10.99.0.1, why: x}"), nil, "it ran"},
		{e.outward("some", "{to: 10.99.0.1, why: x}"), []string{"--with-ns", "network:/proc/self/ns/uts"}, "is no network namespace"},
		{e.write("shim-admin.yaml", head+"kind: Shim\nprofile: "+e.write("admin.yaml", admin)+"\ndenials: "+e.notices()+"\n"), []string{"--cap-add", "CAP_NET_ADMIN"}, "accept: [{name: network-isolation"},
	} {
		args := append([]string{"--rm", "--runtime-config-path", c.config, "--user", "1000:1000"}, c.flags...)
		code, out := e.ctr(e.run(append(args, e.rootfs(), fmt.Sprint("c", i), "/bin/echo", "it ran")...)...)
		if (code == 0) != (c.want == "it ran") || !strings.Contains(out, c.want) {
			t.Errorf("%v: exit %d, no %q: %s", c.flags, code, c.want, out)
		}
	}
	e.must(append([]string{"run", "-d"}, e.run("--runtime-config-path", e.outward("some", "{to: 10.99.0.1, why: x}"), "--user", "1000:1000", e.rootfs(), "c", "/bin/sleep", "1000")[1:]...)...)
	ns, err := os.Open("/proc/" + e.pid("c") + "/ns/net")
	must(t, err)
	defer ns.Close()
	filter, err := nftables.New(nftables.WithNetNSFd(int(ns.Fd())))
	must(t, err)
	chains, err := filter.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil || !slices.ContainsFunc(chains, func(c *nftables.Chain) bool { return c.Table.Name == "safe-run" && c.Name == "out" && c.Hooknum != nil }) {
		t.Errorf("%v: %v", chains, err)
	}
	e.remove("c")
}

// TestPodEgress: so is the network that CNI has made for a pod.
func TestPodEgress(t *testing.T) {
	p := newPods(t)
	open, closed := p.greet("", 0), p.greet("", 0)
	gateway := podNet() + ".1"
	profile := strings.Replace(webby, "webby", "asks", 1) + fmt.Sprintf("network: {mode: bridge, why: x, egress: [{to: %s, ports: [%d/tcp], why: x}]}\n", gateway, open) + families
	must(t, os.WriteFile(filepath.Join(p.dir, "etc", "webby.yaml"), []byte(profile), 0o644))
	sandbox := p.sandbox("egress")
	pod, err := p.begin(t, "refuse", sandbox)
	must(t, err)
	one, err := p.add(pod, sandbox, p.container("one", "/bin/sleep", "1000"))
	must(t, err)
	out, _ := p.inside(t, one, fmt.Sprintf("for to in '%[1]s %[2]d' '%[1]s %[3]d' '169.254.169.254 80'; do echo $to: $(nc -w 5 $to </dev/null 2>&1); done", gateway, open, closed))
	if strings.Count(out, "hello") != 1 || !strings.Contains(out, fmt.Sprint(open, ": hello")) || strings.Count(out, "refused") != 2 {
		t.Errorf("inside: %s", out)
	}
	p.eventually("both are told of", func() bool {
		metadata, other := false, false
		for _, one := range p.told(pod) {
			metadata = metadata || one.Denial.Address == "169.254.169.254"
			other = other || one.Denial.Address == gateway && int(one.Denial.Port) == closed && one.PodName == "egress"
		}
		return metadata && other
	})
}
