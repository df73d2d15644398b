package audit

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// checkSecrets tells the files with secrets. Each layer was searched by itself:
// what a later layer removes can still be taken out of the image.
func (a *auditor) checkSecrets() {
	for _, h := range a.scan.contents.hits {
		there := a.scan.tree.at(h.path) == h.node
		for _, s := range h.secrets {
			where := Where{Path: h.path, Layer: h.layer}
			detail := fmt.Sprintf("line %d has %s", s.line, s.describe())
			if there {
				a.found("SR-IMG-022", s.severity, where, detail)
			} else {
				a.found("SR-IMG-023", s.severity, where, detail+"; a later layer removes or replaces the file, this one still has it")
			}
		}
	}
}

// checkPasswords looks for accounts that somebody can log in to.
func (a *auditor) checkPasswords() {
	shadow, real := a.scan.tree.lookup("etc/shadow")
	if shadow == nil {
		return
	}
	where := Where{Path: real, Layer: shadow.layer}
	for row := range bytes.Lines(shadow.text) {
		fields := strings.Split(strings.TrimRight(string(row), "\r\n"), ":")
		if len(fields) < 2 || fields[0] == "" {
			continue
		}
		name := clip(fields[0], 64)
		switch password := fields[1]; {
		case password == "":
			// As in CVE-2019-5021: whoever may use su becomes the account.
			a.found("SR-IMG-024", High, where, fmt.Sprintf("the account %q needs no password", name))
		case strings.HasPrefix(password, "$") || len(password) == 13 && !strings.ContainsAny(password, "*!"):
			a.found("SR-IMG-024", Medium, where, fmt.Sprintf("the account %q has the hash of a password", name))
		}
	}
}

// checkCoverage says what was not searched for secrets.
func (a *auditor) checkCoverage() {
	c := a.scan.contents
	tell := func(files int, size int64, why string) {
		if files > 0 {
			a.found("SR-IMG-090", Info, Where{Field: "layers"}, fmt.Sprintf("%d %s (%s)", files, why, bounds.Size(size)))
		}
	}
	tell(c.binaries.files, c.binaries.bytes, "files that are not text, programs and archives among them, were not searched")
	tell(c.cut.files, c.cut.bytes, fmt.Sprintf("files were searched in their first %s only; the rest", bounds.Size(maxFile)))
	tell(c.unread.files, c.unread.bytes, fmt.Sprintf("files were not searched, after %s of others", bounds.Size(maxContent)))
	if c.droppedHits > 0 {
		a.found("SR-IMG-090", Info, Where{Field: "layers"}, fmt.Sprintf("%d more files with secrets are not told", c.droppedHits))
	}
}
