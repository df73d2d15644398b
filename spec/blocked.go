package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/safe-run/safe-run/spec/event"
)

// Place is what a destination is to the host.
type Place string

// The places. The last two are many destinations that were not told apart.
const (
	PlaceElsewhere     Place = ""
	PlaceUnknown       Place = "unknown" // the host's own addresses could not be read
	PlaceHost          Place = "host"
	PlaceSandbox       Place = "sandbox"
	PlaceMany          Place = "many"
	PlaceManyLinkLocal Place = "many-link-local"
)

// Blocked is what the network's rules refused a container: the packets of one
// protocol to one destination.
type Blocked struct {
	To       netip.AddrPort // port 0 where the protocol has none
	Protocol uint8          // its number in the IP header
	Place    Place
	Count    uint64 // packets
	// First and Last are the times of the packets, to some milliseconds.
	First, Last time.Time
}

// Numbers of protocols (RFC 790 and later, IANA's list).
const (
	protocolICMP = 1
	protocolTCP  = 6
	protocolUDP  = 17
)

// metadata are the addresses at which clouds answer for their instances: most of
// them; ECS; Alibaba; Azure.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("169.254.170.2"),
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"),
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"), // EC2, Google
}

// Metadata are the addresses at which clouds answer for their instances.
func Metadata() []netip.Addr { return slices.Clone(metadata) }

// dnsPort is where resolvers answer.
const dnsPort = 53

// Denial says what a refusal by the network is, and what would let it through.
func (b Blocked) Denial() event.Denial {
	d := event.Denial{
		Control: event.Network, Count: b.Count, First: b.First.UTC(), Last: b.Last.UTC(), Severity: event.Medium,
	}
	switch b.Place {
	case PlaceMany, PlaceManyLinkLocal:
		return b.many(d)
	}
	addr := b.To.Addr()
	d.Address, d.Port, d.Protocol = addr.String(), b.To.Port(), protocolName(b.Protocol)
	if b.Protocol == protocolTCP {
		d.Errno = "ECONNREFUSED" // it is answered with a reset; of the rest not every program hears
	}
	switch {
	case slices.Contains(metadata, addr):
		d.Severity, d.Meaning = event.High, "the metadata service of a cloud, which gives out the host's credentials; who can make a server fetch addresses asks for it"
		d.Instead = "no profile should open it: give the program what it needs in a variable (-e) or a file (-v)"
	case linkLocal.Contains(addr):
		d.Meaning, d.Instead = "an address of the link, where metadata services of clouds answer", "no profile opens it: give the program what it needs in a variable (-e) or a file (-v)"
	case b.Place == PlaceHost:
		d.Meaning, d.Instead = "this host itself, or a port that another container publishes on it", "nothing opens the host to a container: share a unix socket of the service in a directory (-v)"
	case b.Place == PlaceSandbox:
		d.Meaning, d.Instead = "another container", "containers do not reach each other: share a unix socket in a volume that both have (-v)"
	case b.Place == PlaceUnknown:
		d.Meaning, d.Instead = "a destination that the profile does not name", "when it is neither this host nor another container, network.egress opens it"
	case slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(addr) }):
		d.Meaning, d.Instead = "an address that is no single machine's", "no profile opens it: name the machine's own address"
	default:
		b.elsewhere(&d)
	}
	return d
}

// many is for what had no room to be told apart.
func (b Blocked) many(d event.Denial) event.Denial {
	d.Meaning = "packets to more destinations than are told apart, as when ports or addresses are tried one after another"
	d.Instead = "find out what tries them; what it needs goes into network.egress"
	if b.Place == PlaceManyLinkLocal {
		d.Severity, d.Meaning = event.High, "packets to addresses where metadata services of clouds answer, after more destinations than are told apart"
		d.Instead = "no profile opens them"
	}
	return d
}

// elsewhere is for another machine, which a profile may open.
func (b Blocked) elsewhere(d *event.Denial) {
	addr := b.To.Addr()
	d.Meaning, d.Risk = "a machine outside, which the profile does not name", "a way out for data, and a way in for what is fetched"
	if addr.IsPrivate() {
		d.Meaning, d.Risk = "a machine of a private network, which the profile does not name", "what answers there to whoever breaks in"
	}
	if b.To.Port() == dnsPort && b.Protocol != protocolICMP {
		d.Meaning += "; it is asked for names, and the host's own resolvers are open where a profile has any egress"
	}
	if b.Protocol != protocolTCP && b.Protocol != protocolUDP || b.To.Port() == 0 {
		d.Instead = fmt.Sprintf("only a rule without ports lets %s through, and all else to there: network.egress: [{to: %s, why: ...}]", d.Protocol, addr)
		return
	}
	d.Allow = []string{"network:", "  egress:", fmt.Sprintf("    - {to: %s, ports: [%d/%s], why: ...}", addr, b.To.Port(), d.Protocol)}
}

// protocolName is a protocol's name, as far as programs use it.
func protocolName(number uint8) string {
	switch number {
	case protocolICMP:
		return "icmp"
	case protocolTCP:
		return "tcp"
	case protocolUDP:
		return "udp"
	}
	return "protocol " + strconv.Itoa(int(number))
}
