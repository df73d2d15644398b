package source

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// connector makes a connection after allow agreed to the address that the
// name in addr turned out to be; at is that address.
type connector func(ctx context.Context, addr string, allow func(netip.Addr) error) (c net.Conn, at netip.Addr, err error)

// connect asks allow once the name is resolved, right before connect(2): what
// a name resolves to later does not matter.
func connect(ctx context.Context, addr string, allow func(netip.Addr) error) (net.Conn, netip.Addr, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	d.Control = func(_, resolved string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(resolved)
		if err != nil {
			return err
		}
		return allow(at.Addr())
	}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		c.Close()
		return nil, netip.Addr{}, err
	}
	return c, at.Addr(), nil
}

const dialTimeout = 20 * time.Second
