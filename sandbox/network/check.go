package network

import (
	"bytes"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Check looks for a firewall that would drop what the plan lets pass between
// the sandbox and other hosts. safe-run's tables cannot overrule it: in
// netfilter an accept ends one table only, and docker, ufw and firewalld have
// theirs. It gives nil when nothing is forwarded or nothing is in the way;
// else a problem that tells what to allow. A firewall of iptables-legacy is
// not seen.
func Check(n spec.Network) error {
	if n.Mode != spec.NetworkBridge || !forwards(n) {
		return nil
	}
	b, err := newBatch()
	if err != nil {
		return err
	}
	chains, err := b.ListChains()
	if err != nil {
		return explain(err, "list the packet filter's chains")
	}
	for _, c := range chains {
		if !stops(c) {
			continue
		}
		known, err := b.mentionsBridge(c)
		if err != nil {
			return err
		}
		if !known {
			return problem.New(allowHint(c),
				"another firewall drops what is forwarded: chain %s of table %s %s has the policy drop and no rule for %s",
				c.Name, familyName(c.Table), c.Table.Name, bridgeName)
		}
	}
	return nil
}

// stops says whether a chain drops or rejects forwarded packets by default.
// firewalld's has the policy accept, and a last rule that rejects.
func stops(c *nftables.Chain) bool {
	if c.Hooknum == nil || *c.Hooknum != *nftables.ChainHookForward || c.Table.Name == tableName {
		return false
	}
	switch c.Table.Family {
	case nftables.TableFamilyINet, nftables.TableFamilyIPv4:
	default:
		return false
	}
	return c.Table.Name == "firewalld" || (c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop)
}

// mentionsBridge says whether any rule of the chain's table names the bridge:
// then someone has thought of it.
func (b batch) mentionsBridge(c *nftables.Chain) (bool, error) {
	chains, err := b.chainsOf(c.Table)
	if err != nil {
		return false, err
	}
	for _, other := range chains {
		rules, err := b.GetRules(c.Table, other)
		if err != nil {
			return false, explain(err, "list the rules of chain %s", other.Name)
		}
		for _, r := range rules {
			for _, e := range r.Exprs {
				if c, ok := e.(*expr.Cmp); ok && bytes.HasPrefix(c.Data, []byte(bridgeName)) {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

func allowHint(c *nftables.Chain) string {
	if c.Table.Name == "firewalld" {
		return "firewall-cmd --zone=trusted --add-interface=" + bridgeName
	}
	if c.Table.Family == nftables.TableFamilyIPv4 && c.Table.Name == "filter" {
		return fmt.Sprintf("iptables -I %[1]s -i %[2]s -j ACCEPT && iptables -I %[1]s -o %[2]s -j ACCEPT", c.Name, bridgeName)
	}
	return fmt.Sprintf("nft insert rule %[1]s %[2]s %[3]s iifname %[4]s accept && nft insert rule %[1]s %[2]s %[3]s oifname %[4]s accept",
		familyName(c.Table), c.Table.Name, c.Name, bridgeName)
}
