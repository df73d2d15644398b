package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkFiles looks at the bits of every file that the merged image has.
func (a *auditor) checkFiles() {
	a.files(a.scan.tree.root, nil)
}

func (a *auditor) files(dir *node, above []string) {
	for _, name := range slices.Sorted(maps.Keys(dir.children)) {
		n := dir.children[name]
		here := append(above, name) // read before the next name takes its place
		switch n.kind {
		case regular:
			a.file(here, n)
		case directory:
			if len(above) == 0 && (name == "dev" || name == "proc" || name == "sys") {
				continue // the sandbox brings its own
			}
			if n.mode&0o002 != 0 && n.mode&sticky == 0 {
				where := Where{Path: strings.Join(here, "/"), Layer: n.layer}
				a.found("SR-IMG-030", Medium, where,
					fmt.Sprintf("the directory has the mode %04o, without the sticky bit: everybody may replace what is in it", n.mode))
			}
			a.files(n, here)
		}
	}
}

func (a *auditor) file(path []string, n *node) {
	open := n.mode&0o002 != 0
	// setgid without the group's right to execute is the old mark of mandatory
	// locks, and gives nothing.
	privileged := n.mode&setuid != 0 && n.mode&0o111 != 0 || n.mode&setgid != 0 && n.mode&0o010 != 0
	if !open && !privileged && n.caps == "" {
		return
	}
	where := Where{Path: strings.Join(path, "/"), Layer: n.layer}
	if privileged {
		severity, detail := privilege(n)
		if open {
			severity, detail = Critical, detail+", and everybody may write it"
		}
		a.found("SR-IMG-010", severity, where, detail)
	}
	if n.caps != "" {
		severity, detail := capabilityDetail(n.caps)
		if open {
			severity, detail = Critical, detail+", and everybody may write it"
		}
		a.found("SR-IMG-011", severity, where, detail)
	}
	if open {
		a.found("SR-IMG-030", Medium, where, fmt.Sprintf("the file has the mode %04o", n.mode))
	}
}

// privilege says what the bits give.
func privilege(n *node) (Severity, string) {
	switch {
	case n.mode&setuid != 0 && n.uid == 0:
		return Medium, "it runs as root whoever starts it; safe-run does not honour the bit, others do"
	case n.mode&setuid != 0:
		return Medium, fmt.Sprintf("it runs as the uid %d whoever starts it; safe-run does not honour the bit, others do", n.uid)
	}
	return Low, fmt.Sprintf("it runs in the group %d whoever starts it; safe-run does not honour the bit, others do", n.gid)
}
