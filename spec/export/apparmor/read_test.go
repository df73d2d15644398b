package apparmor

import (
	"regexp"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/quote/quotetest"
)

// fileRule is a rule about files, read back.
type fileRule struct {
	deny, owner bool
	matches     *regexp.Regexp
	mode        string
}

var ruleLine = regexp.MustCompile(`^  (audit )?(deny )?(owner )?(".*") ([a-z]+),$`)

// policy answers as the kernel does: what no rule allows is refused, and what one
// refuses is refused whatever allows it (apparmor.d(5)).
type policy []fileRule

func read(t *testing.T, data []byte) policy {
	t.Helper()
	var p policy
	for _, line := range strings.Split(string(data), "\n") {
		m := ruleLine.FindStringSubmatch(line)
		if m == nil {
			if strings.Contains(line, `"`) {
				t.Fatalf("no rule about files: %s", line)
			}
			continue
		}
		re, err := quotetest.AppArmorGlob(m[4])
		if err != nil {
			t.Fatal(err)
		}
		p = append(p, fileRule{deny: m[2] != "", owner: m[3] != "", matches: re, mode: m[5]})
	}
	return p
}

// allows says whether the owner of a file, or somebody else, may do something.
func (p policy) allows(path string, do byte, owner bool) bool {
	allowed := false
	for _, r := range p {
		if !r.matches.MatchString(path) || strings.IndexByte(r.mode, do) < 0 || r.owner && !owner {
			continue
		}
		if r.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

func exported(t *testing.T, in export.Input) (export.Result, policy) {
	t.Helper()
	r, err := Export(in)
	if err != nil {
		t.Fatal(err)
	}
	return r, read(t, r.Files[0].Data)
}
