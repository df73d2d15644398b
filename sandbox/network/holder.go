package network

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/nftables"

	"github.com/safe-run/safe-run/spec"
)

// holder says who has the port p, as far as it can be found.
func holder(p spec.Port) string {
	if a, ok := publishedTo(p); ok {
		return fmt.Sprintf("already published by the sandbox with the address %s", a)
	}
	waiting := false
	for _, table := range []string{p.Protocol, p.Protocol + "6"} {
		data, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			continue
		}
		for _, s := range parseSockets(data) {
			if s.port != p.HostPort || !overlaps(s.addr, hostIP(p)) {
				continue
			}
			if s.inode == 0 { // TIME_WAIT: the connection has no process
				waiting = true
				continue
			}
			if pid, name := processOf(s.inode); pid != 0 {
				return fmt.Sprintf("in use by process %d (%s)", pid, name)
			}
		}
	}
	if waiting {
		return "connections of a former server are still closing, for a minute at most"
	}
	return "in use"
}

// hostSocket is a line of /proc/net/tcp and its siblings.
type hostSocket struct {
	addr  netip.Addr
	port  uint16
	inode uint64
}

// parseSockets reads what proc(5) describes under /proc/net/tcp; lines that
// are not like that are left out.
func parseSockets(data []byte) (out []hostSocket) {
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) < 10 {
			continue
		}
		addr, port, ok := strings.Cut(f[1], ":")
		ip, okIP := hexAddr(addr)
		n, err := strconv.ParseUint(port, 16, 16)
		inode, err2 := strconv.ParseUint(f[9], 10, 64)
		if ok && okIP && err == nil && err2 == nil {
			out = append(out, hostSocket{ip, uint16(n), inode})
		}
	}
	return out
}

// hexAddr reads an address printed as words of 4 bytes in host order, which
// is little endian on every architecture that safe-run is built for.
func hexAddr(s string) (netip.Addr, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || (len(b) != 4 && len(b) != 16) {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	a, ok := netip.AddrFromSlice(b)
	return a.Unmap(), ok
}

// overlaps says whether sockets on both addresses exclude each other. One on
// [::] takes IPv4 as well, unless it is for IPv6 only, which cannot be seen.
func overlaps(a, b netip.Addr) bool {
	return a == b || a.IsUnspecified() || (b.IsUnspecified() && a.Is4())
}

// processOf finds a process that has a socket open, and its name.
func processOf(inode uint64) (int, string) {
	want := fmt.Sprintf("socket:[%d]", inode)
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err != nil || to != want {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		return pid, printable(strings.TrimSpace(string(name)))
	}
	return 0, ""
}

// printable keeps a process, which names itself, from writing to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// publishedTo looks into the packet filter for a sandbox that publishes p: the
// socket that holds its port is in no list, as it does not listen.
func publishedTo(p spec.Port) (netip.Addr, bool) {
	from := join(protoKey(p.Protocol), portKey(p.HostPort))
	b, err := newBatch()
	if err != nil {
		return netip.Addr{}, false
	}
	for _, m := range []*nftables.Set{publishMap, publishAnyMap} {
		list, err := b.GetSetElements(m)
		if err != nil {
			return netip.Addr{}, false
		}
		for _, e := range list {
			if len(e.Key) < len(from) || len(e.Val) < 4 {
				continue
			}
			on, key := e.Key[:len(e.Key)-len(from)], e.Key[len(e.Key)-len(from):]
			if !bytes.Equal(key, from) {
				continue
			}
			ip, specific := netip.AddrFromSlice(on)
			if !specific || hostIP(p).IsUnspecified() || ip == hostIP(p) {
				to, ok := netip.AddrFromSlice(e.Val[:4])
				return to, ok
			}
		}
	}
	return netip.Addr{}, false
}
