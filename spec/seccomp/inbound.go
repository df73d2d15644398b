package seccomp

const (
	eacces = 13
	// msgFastopen is MSG_FASTOPEN: with it a send on a TCP socket connects.
	msgFastopen = 0x20000000
)

// inboundRules are for who was given a listening TCP socket of another network
// namespace. shutdown(2) makes it a plain socket again (inet_shutdown in
// net/ipv4/af_inet.c), and one connect(2) further it leads out of that
// namespace to whatever can be reached from there. There are two ways to
// connect: the call, and a send with MSG_FASTOPEN; TCP_FASTOPEN_CONNECT only
// puts the call off. What has been accepted is connected already.
func inboundRules() []rule {
	const why = "a listening socket of the host is not to be made a way out"
	out := []rule{{name: "connect", why: why, deny: []conditions{nil}, errno: eacces}}
	for _, call := range []struct {
		name  string
		flags uint
	}{{"sendto", 3}, {"sendmsg", 2}, {"sendmmsg", 3}} {
		out = append(out, rule{
			name: call.name, why: why,
			allow: []conditions{{bits32(call.flags, msgFastopen, 0)}},
			deny:  []conditions{{bits32(call.flags, msgFastopen, msgFastopen)}},
			errno: eacces,
		})
	}
	return out
}
