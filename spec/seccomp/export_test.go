package seccomp

// Privileged lists what is answered as the kernel does without capabilities.
func Privileged() []string { return Group{Sets: privileged}.members() }

// HasRule reports whether the arguments of name are looked at.
func HasRule(name string) bool {
	_, ok := ruleFor(filtered(Policy{Arch: "amd64", Inbound: true}), name)
	return ok
}

// AdviceNames are the lists that denials are judged with.
func AdviceNames() [][]string {
	var needed []string
	for _, n := range needs {
		needed = append(needed, n.names...)
	}
	return [][]string{needed, append(grave, common...)}
}

// FamilyNumber is the number of an address family.
func FamilyNumber(name string) uint32 {
	n, _ := familyNumber(name)
	return n
}
