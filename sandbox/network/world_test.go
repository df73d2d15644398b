package network

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/safe-run/safe-run/spec"
)

// The surroundings of the host:
//
//	outside 198.51.100.1 ---- wan0 198.51.100.2 host 192.0.2.1 lan0 ---- 192.0.2.2 neighbour
//	        203.0.113.1, .2, .53
//	        169.254.169.254
//
// The outside knows no way to a sandbox's address, and one to the neighbour's
// network; the neighbour sends everything to the host.
const (
	wanIP       = "198.51.100.2"
	lanIP       = "192.0.2.1"
	outsideIP   = "198.51.100.1"
	farA, farB  = "203.0.113.1", "203.0.113.2"
	farDNS      = "203.0.113.53"
	metadataIP  = "169.254.169.254"
	neighbourIP = "192.0.2.2"
)

var (
	outside, neighbourhood *peer
	// here is the host's own worker, with a service on every address.
	here = &worker{}
)

const hostService = "9000"

func buildWorld() (err error) {
	// A new network namespace has the settings of the host's own, which is a
	// router where docker was ever started.
	if err := writeSysctl("ipv4/conf/all/forwarding", "0"); err != nil {
		return err
	}
	if outside, err = startPeer(false); err != nil {
		return err
	}
	if neighbourhood, err = startPeer(false); err != nil {
		return err
	}
	own, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer own.Close()
	if err := bridgeNetfilter("0"); err != nil {
		return err
	}
	if err := linkUp(own, "lo"); err != nil {
		return err
	}
	if err := cable(own, outside, wire{"wan0", wanIP, outsideIP}); err != nil {
		return err
	}
	if err := cable(own, neighbourhood, wire{"lan0", lanIP, neighbourIP}); err != nil {
		return err
	}
	if err := route(own, "0.0.0.0/0", outsideIP); err != nil {
		return err
	}
	err = inside(outside, func(h *netlink.Handle) error {
		for _, a := range []string{farA, farB, farDNS, metadataIP} {
			if err := address(h, "lo", a+"/32"); err != nil {
				return err
			}
		}
		return route(h, "192.0.2.0/24", wanIP)
	})
	if err != nil {
		return err
	}
	if err := inside(neighbourhood, func(h *netlink.Handle) error { return route(h, "0.0.0.0/0", lanIP) }); err != nil {
		return err
	}
	for _, a := range []string{":80", ":443", ":53"} {
		for _, proto := range []string{"tcp", "udp"} {
			if got := outside.do(order{Op: "listen", Proto: proto, Addr: "0.0.0.0" + a}); got != "ok" {
				return fmt.Errorf("outside: %s", got)
			}
		}
	}
	for _, proto := range []string{"tcp", "udp"} {
		if err := here.listen(proto, "0.0.0.0:"+hostService); err != nil {
			return err
		}
	}
	return nil
}

// bridgeNetfilter switches whether frames on a bridge pass the rules for IP as
// well. It is off but where the module br_netfilter is loaded, as docker does.
func bridgeNetfilter(value string) error {
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil {
		return nil
	}
	return writeSysctl("bridge/bridge-nf-call-iptables", value)
}

func closeWorld() {
	outside.stop()
	neighbourhood.stop()
	here.close()
}

// wire is a link of the host: its name, and the addresses at both ends.
type wire struct{ name, near, far string }

// cable joins the host and a peer.
func cable(own *netlink.Handle, p *peer, w wire) error {
	ns, err := netns.GetFromPid(p.pid())
	if err != nil {
		return err
	}
	defer ns.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = w.name
	v := netlink.NewVeth(attrs)
	v.PeerName, v.PeerNamespace = "eth0", netlink.NsFd(ns)
	if err := own.LinkAdd(v); err != nil {
		return err
	}
	if err := address(own, w.name, w.near+"/24"); err != nil {
		return err
	}
	if err := linkUp(own, w.name); err != nil {
		return err
	}
	return inside(p, func(h *netlink.Handle) error {
		if err := linkUp(h, "lo"); err != nil {
			return err
		}
		if err := address(h, "eth0", w.far+"/24"); err != nil {
			return err
		}
		return linkUp(h, "eth0")
	})
}

// inside gives a netlink socket in a peer's namespace.
func inside(p *peer, f func(*netlink.Handle) error) error {
	ns, err := netns.GetFromPid(p.pid())
	if err != nil {
		return err
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns)
	if err != nil {
		return err
	}
	defer h.Close()
	return f(h)
}

func linkUp(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetUp(l)
}

func address(h *netlink.Handle, name, addr string) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(addr)
	if err != nil {
		return err
	}
	return h.AddrAdd(l, a)
}

func route(h *netlink.Handle, to, via string) error {
	_, dst, err := net.ParseCIDR(to)
	if err != nil {
		return err
	}
	return h.RouteReplace(&netlink.Route{Dst: dst, Gw: net.ParseIP(via)})
}

// box is a sandbox that is attached.
type box struct {
	*peer
	cfg Config
	att *Attachment
	ip  string
}

var slots int

// stateDir is one for a test, which must leave nothing.
func stateDir(t *testing.T) string {
	t.Helper()
	needsHost(t)
	dir := t.TempDir()
	before := hostState()
	t.Cleanup(func() {
		if after := hostState(); after != before {
			t.Errorf("the host is not as it was:\n%s", difference(before, after))
		}
		left, _ := filepath.Glob(filepath.Join(dir, "network", "*"))
		if len(left) > 0 {
			t.Errorf("files are left: %v", left)
		}
	})
	return dir
}

// attach starts a sandbox and connects it; its end is cleaned up.
func attach(t *testing.T, state string, n spec.Network) *box {
	t.Helper()
	p, err := startPeer(true)
	if err != nil {
		t.Fatal(err)
	}
	n.Mode = spec.NetworkBridge
	slots = (slots + 1) % 200
	b := &box{peer: p, cfg: Config{ID: newID(), Slot: slots, Network: n, State: state}}
	t.Cleanup(p.stop)
	if b.att, err = Attach(context.Background(), b.cfg, p.pid()); err != nil {
		t.Fatal("attach:", err)
	}
	t.Cleanup(func() {
		if err := b.att.Detach(); err != nil {
			t.Error("detach:", err)
		}
	})
	base := candidates[0].Addr().As4()
	b.ip = netip.AddrFrom4([4]byte{base[0], base[1], byte((slots + 2) >> 8), byte(slots + 2)}).String()
	return b
}

func newID() string {
	b := make([]byte, 32)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// gateway is the bridge's address; the first candidate is free on this host.
func gateway() string { return candidates[0].Addr().Next().String() }

// hostState is everything of the host that a sandbox could leave changed.
func hostState() string {
	var lines []string
	links, _ := netlink.LinkList()
	for _, l := range links {
		lines = append(lines, "link "+l.Attrs().Name)
	}
	conn, _ := nftables.New()
	tables, _ := conn.ListTables()
	for _, t := range tables {
		lines = append(lines, fmt.Sprint("table ", t.Family, t.Name))
	}
	for _, key := range []string{"forwarding", "route_localnet", "rp_filter", "arp_ignore", "accept_redirects"} {
		files, _ := filepath.Glob("/proc/sys/net/ipv4/conf/*/" + key)
		for _, f := range files {
			v, _ := os.ReadFile(f)
			lines = append(lines, f+"="+strings.TrimSpace(string(v)))
		}
	}
	routes, _ := netlink.RouteList(nil, netlink.FAMILY_V4)
	for _, r := range routes {
		lines = append(lines, fmt.Sprint("route ", r))
	}
	neighbours, _ := netlink.NeighList(0, netlink.FAMILY_V4)
	for _, n := range neighbours {
		if n.State == netlink.NUD_PERMANENT {
			lines = append(lines, fmt.Sprint("neighbour ", n))
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
