package seccomp

import (
	"slices"
	"strings"
)

// family is an address family of socket(2), numbered in linux/socket.h.
type family struct {
	name   string
	number uint32
}

// families are all address families that Linux has or had a name for; sorted
// by name. Which of them a program may use is the profile's decision.
var families = []family{
	{"AF_ALG", 38},
	{"AF_APPLETALK", 5},
	{"AF_ASH", 18},
	{"AF_ATMPVC", 8},
	{"AF_ATMSVC", 20},
	{"AF_AX25", 3},
	{"AF_BLUETOOTH", 31},
	{"AF_BRIDGE", 7},
	{"AF_CAIF", 37},
	{"AF_CAN", 29},
	{"AF_DECnet", 12},
	{"AF_ECONET", 19},
	{"AF_IB", 27},
	{"AF_IEEE802154", 36},
	{"AF_INET", 2},
	{"AF_INET6", 10},
	{"AF_IPX", 4},
	{"AF_IRDA", 23},
	{"AF_ISDN", 34},
	{"AF_IUCV", 32},
	{"AF_KCM", 41},
	{"AF_KEY", 15},
	{"AF_LLC", 26},
	{"AF_MCTP", 45},
	{"AF_MPLS", 28},
	{"AF_NETBEUI", 13},
	{"AF_NETLINK", 16},
	{"AF_NETROM", 6},
	{"AF_NFC", 39},
	{"AF_PACKET", 17},
	{"AF_PHONET", 35},
	{"AF_PPPOX", 24},
	{"AF_QIPCRTR", 42},
	{"AF_RDS", 21},
	{"AF_ROSE", 11},
	{"AF_RXRPC", 33},
	{"AF_SECURITY", 14},
	{"AF_SMC", 43},
	{"AF_SNA", 22},
	{"AF_TIPC", 30},
	{"AF_UNIX", 1},
	{"AF_VSOCK", 40},
	{"AF_WANPIPE", 25},
	{"AF_X25", 9},
	{"AF_XDP", 44},
}

func familyNumber(name string) (uint32, bool) {
	i, ok := slices.BinarySearchFunc(families, name, func(f family, name string) int {
		return strings.Compare(f.name, name)
	})
	if !ok {
		return 0, false
	}
	return families[i].number, true
}

// IsFamily reports whether name is an address family such as AF_INET6.
func IsFamily(name string) bool {
	_, ok := familyNumber(name)
	return ok
}

// FamilyNames lists all address families, sorted.
func FamilyNames() []string {
	var names []string
	for _, f := range families {
		names = append(names, f.name)
	}
	return names
}

// FamilyOf is the name of an address family's number; empty when it has none.
func FamilyOf(number uint32) string {
	for _, f := range families {
		if f.number == number {
			return f.name
		}
	}
	return ""
}
