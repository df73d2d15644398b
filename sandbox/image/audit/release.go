package audit

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// release is one release of a distribution, and until when it gets security
// updates for nothing.
type release struct {
	id, version string // ID and VERSION_ID of os-release(5); of the version what all its updates share
	until       string // by the distribution's own team
	longer      string // by volunteers, for a part of the packages; may be empty
}

// rolling have no releases, and get updates as long as they are built again.
var rolling = map[string]bool{
	"arch": true, "chainguard": true, "gentoo": true, "opensuse-tumbleweed": true, "void": true, "wolfi": true,
}

// released finds the release of an image; nil when it is not in the table.
func released(id, version string) *release {
	for i := range releases {
		r := &releases[i]
		if r.id == id && (version == r.version || strings.HasPrefix(version, r.version+".")) {
			return r
		}
	}
	return nil
}

func (a *auditor) checkRelease() {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		n, real := a.scan.tree.lookup(name)
		if n == nil || n.kind != regular {
			continue
		}
		where := Where{Path: real, Layer: n.layer}
		fields := osRelease(n.text)
		if id := fields["ID"]; id != "" && !rolling[id] {
			a.release(where, id, fields["VERSION_ID"])
		} else if id == "" {
			a.found("SR-IMG-005", Info, where, "the file does not name a distribution")
		}
		return
	}
}

func (a *auditor) release(where Where, id, version string) {
	name := strings.TrimSpace(clip(id, 64) + " " + clip(version, 64))
	r := released(id, version)
	if r == nil {
		a.found("SR-IMG-005", Info, where, fmt.Sprintf("%s is not in the table of releases, which was made on %s", name, tableDate))
		return
	}
	today := a.in.Now.UTC().Format(time.DateOnly)
	switch {
	case today <= r.until:
	case r.longer != "" && today <= r.longer:
		a.found("SR-IMG-004", Low, where, fmt.Sprintf("%s had security updates until %s; until %s volunteers make some for a part of its packages",
			name, r.until, r.longer))
	default:
		last := max(r.until, r.longer)
		a.found("SR-IMG-004", High, where, fmt.Sprintf("%s had security updates until %s (table of %s)", name, last, tableDate))
	}
}

// osRelease reads os-release(5).
func osRelease(text []byte) map[string]string {
	fields := map[string]string{}
	for row := range bytes.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(string(row)), "=")
		if ok && (key == "ID" || key == "VERSION_ID") {
			fields[key] = strings.ToLower(strings.Trim(value, `"'`))
		}
	}
	return fields
}
