package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// topology is a small internet in two network namespaces, so that the tests of
// the network change nothing on the real host: "host" is where safe-run runs,
// "world" is everything else.
type topology struct {
	host, world string // names of ip-netns(8)
	// mounts is a process whose mount namespace has a /run/safe-run of its own:
	// what safe-run records there is true of one network namespace only.
	mounts int
}

const (
	hostAddress     = "198.51.100.1"
	worldAddress    = "198.51.100.2"
	internetAddress = "11.22.33.44"     // public, answers on port 80 in the world
	metadataAddress = "169.254.169.254" // so does the cloud's metadata service
)

// newTopology makes the two namespaces, and in each a server: in the world on
// port 80 of every address, on the host on port 7000.
func newTopology(t *testing.T) topology {
	t.Helper()
	id := fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)
	top := topology{host: "test-host-" + id, world: "test-world-" + id}
	for _, name := range []string{top.host, top.world} {
		ip(t, "netns", "add", name)
		t.Cleanup(func() { ip(t, "netns", "del", name) })
		ip(t, "-n", name, "link", "set", "lo", "up")
		// A new namespace is a router where the host is one.
		ip(t, "netns", "exec", name, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/conf/all/forwarding")
	}
	ip(t, "-n", top.host, "link", "add", "up0", "type", "veth", "peer", "name", "down0", "netns", top.world)
	ip(t, "-n", top.host, "addr", "add", hostAddress+"/24", "dev", "up0")
	ip(t, "-n", top.host, "link", "set", "up0", "up")
	ip(t, "-n", top.world, "addr", "add", worldAddress+"/24", "dev", "down0")
	ip(t, "-n", top.world, "link", "set", "down0", "up")
	ip(t, "-n", top.host, "route", "add", "default", "via", worldAddress)
	for _, address := range []string{internetAddress, metadataAddress} {
		ip(t, "-n", top.world, "addr", "add", address+"/32", "dev", "lo")
	}
	top.mounts = holdMounts(t)
	top.serve(t, top.world, "listen", ":80", "world")
	top.serve(t, top.host, "listen", ":7000", "host")
	return top
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// holdMounts starts a process that keeps a mount namespace.
func holdMounts(t *testing.T) int {
	t.Helper()
	if err := os.MkdirAll("/run/safe-run", 0o711); err != nil {
		t.Fatal(err)
	}
	const script = "mount -t tmpfs -o mode=711 tmpfs /run/safe-run && echo ready && exec sleep 1h"
	holder, _ := begin(t, exec.Command("unshare", "--mount", "--propagation", "slave", "sh", "-c", script))
	return holder.cmd.Process.Pid
}

// in makes a command run in a network namespace and the topology's mounts. Not
// with ip netns exec, which hides the cgroup mounts below /sys.
func (top topology) in(namespace string, cmd *exec.Cmd) *exec.Cmd {
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		nsenter = "/usr/bin/nsenter"
	}
	cmd.Args = append([]string{"nsenter", "--mount=/proc/" + strconv.Itoa(top.mounts) + "/ns/mnt", "--net=/run/netns/" + namespace, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = nsenter
	return cmd
}

// serve starts peek in a namespace until the end of the test.
func (top topology) serve(t *testing.T, namespace string, words ...string) {
	t.Helper()
	cmd := top.in(namespace, exec.Command(built(t).peek, words...))
	begin(t, cmd)
}

// asks runs peek in a namespace.
func (top topology) asks(t *testing.T, namespace string, words ...string) string {
	t.Helper()
	out, err := top.in(namespace, exec.Command(built(t).peek, words...)).CombinedOutput()
	if err != nil {
		t.Fatalf("peek %v in %s: %v\n%s", words, namespace, err, out)
	}
	return strings.TrimSpace(string(out))
}

// peek runs peek in a container on the topology's host.
func (top topology) peek(t *testing.T, flags []string, words ...string) result {
	t.Helper()
	args := append(append([]string{}, flags...), "dir:"+built(t).root, "/peek")
	return finish(t, top.in(top.host, launcher(t, append(args, words...)...)))
}

// start starts peek in a container on the topology's host, and gives its first
// line.
func (top topology) start(t *testing.T, flags []string, words ...string) (*running, string) {
	t.Helper()
	args := append(append([]string{}, flags...), "dir:"+built(t).root, "/peek")
	return begin(t, top.in(top.host, launcher(t, append(args, words...)...)))
}
