package verify

import (
	"net"
	"os"
	"slices"
	"sync/atomic"

	"github.com/safe-run/safe-run/spec/problem"
)

// outside is the host's side of attacks that are not seen from inside alone.
type outside struct {
	dir string // of its own
	// address is where it listens, on an address of the host that is not
	// loopback; empty where there is none.
	address string
	listen  net.Listener
	reached atomic.Int64
}

func newOutside() (*outside, error) {
	dir, err := os.MkdirTemp("", "safe-run-verify-")
	if err != nil {
		return nil, problem.New("give it a directory for temporary files: TMPDIR=/var/tmp safe-run verify", "what is attacked cannot be put anywhere: %w", err)
	}
	o := &outside{dir: dir}
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.To4() == nil || !ip.IP.IsGlobalUnicast() {
			continue
		}
		if o.listen, err = net.Listen("tcp4", net.JoinHostPort(ip.IP.String(), "0")); err != nil {
			continue
		}
		o.address = o.listen.Addr().String()
		go o.accept()
		break
	}
	return o, nil
}

func (o *outside) accept() {
	for {
		c, err := o.listen.Accept()
		if err != nil {
			return
		}
		from, ok := c.RemoteAddr().(*net.TCPAddr)
		at, listens := c.LocalAddr().(*net.TCPAddr)
		addresses, err := net.InterfaceAddrs()
		if err != nil || !ok || !listens || !stranger(from.IP, at.IP, addresses) {
			o.reached.Add(1)
		}
		c.Close()
	}
}

// stranger says whether a peer cannot be a container of this host: it has none of
// the host's addresses, which who shares its network or is translated has, and none
// of a network that the host has an address in, as of a bridge. The network of the
// address that is listened at is where strangers are.
func stranger(peer, at net.IP, addresses []net.Addr) bool {
	return !slices.ContainsFunc(addresses, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && (n.IP.Equal(peer) || !n.IP.Equal(at) && n.Contains(peer))
	})
}

func (o *outside) remove() {
	if o.listen != nil {
		o.listen.Close()
	}
	os.RemoveAll(o.dir)
}
