package leaks

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// links gives the network interfaces of this namespace.
func links() (map[string]string, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, link := range all {
		found[link.Attrs().Name] = link.Type()
	}
	return found, nil
}

// tables gives the tables and chains of nftables, each chain with the number of
// its rules.
func tables() (map[string]string, error) {
	found := map[string]string{}
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	all, err := conn.ListTables()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EOPNOTSUPP) {
		return found, nil // not root, or no nf_tables: then nobody has left any
	}
	if err != nil {
		return nil, err
	}
	for _, table := range all {
		found[table.Name] = fmt.Sprintf("family %d", table.Family)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, err
	}
	for _, chain := range chains {
		rules, err := conn.GetRules(chain.Table, chain)
		if err != nil {
			return nil, err
		}
		found[chain.Table.Name+" "+chain.Name] = fmt.Sprintf("%d rules", len(rules))
	}
	return found, nil
}
