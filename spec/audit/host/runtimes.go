package host

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/severity"
)

// floor is what a runtime must have for holes to be closed: a version for each
// branch that got the fix. Branches after the last have it from the beginning.
type floor struct {
	runtime  string
	versions []string
	holes    string
	severity severity.Severity
}

// floors are those for which a release with the fix is named by the project. What
// could not be sourced is not here, and a runtime without a line is not judged.
var floors = []floor{
	{"runc", []string{"1.2.8", "1.3.3", "1.4.0-rc.3"}, "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881: a container writes to the host's /proc", severity.High},
	{"runc", []string{"1.3.6", "1.4.3", "1.5.0-rc.3"}, "CVE-2026-41579", severity.High},
	{"containerd", []string{"1.7.29", "2.0.7", "2.1.5", "2.2.0"}, "CVE-2024-25621: its directories are open to every user of the host; CVE-2025-64329", severity.Medium},
	{"dockerd", []string{"23.0.15", "25.0.6", "26.1.5", "27.1.1"}, "CVE-2024-41110: plugins that authorise are passed by", severity.Medium},
	{"podman", []string{"5.6.1"}, "CVE-2025-9566: kube play writes to files of the host", severity.Medium},
}

func runtimes(f Facts) []audit.Finding {
	var out []audit.Finding
	for _, r := range f.Runtimes {
		c := check{"runtime-" + r.Name, "the version of " + r.Name, []int{27}}
		if r.Version == "" {
			out = append(out, c.unknown("%s did not say its version: %s", r.Path, r.Problem))
			continue
		}
		v, ok := parse(r.Version)
		if !ok {
			out = append(out, c.unknown("%s says %q, in which there is no version", r.Path, r.Version))
			continue
		}
		judged := false
		before := len(out)
		for _, floor := range floors {
			if floor.runtime != r.Name {
				continue
			}
			judged = true
			if !floor.reached(v) {
				out = append(out, c.below(r, v, floor))
			}
		}
		switch {
		case !judged:
			out = append(out, c.unknown("%s %s: no floor is known here", r.Name, v))
		case len(out) == before:
			out = append(out, c.fine("%s, at or above every known floor", v))
		}
	}
	return out
}

// distribution marks versions of distributions, which put fixes into old releases.
var distribution = regexp.MustCompile(`[+~](ds|dfsg)|deb\d+u|ubuntu|\.(el|fc|amzn|azl)\d`)

func (c check) below(r Runtime, v release, f floor) audit.Finding {
	s, what := f.severity, fmt.Sprintf("%s %s (%s) is below %s", r.Name, v, r.Path, strings.Join(f.versions, ", "))
	if distribution.MatchString(r.Version) {
		s = severity.Low
		what += "; it is a distribution's, which may have put the fix in without a new number"
	}
	return c.bad(s, trouble{what, f.holes, "upgrade it, or look it up in the distribution's security tracker"})
}

// release is a version: three numbers, and a candidate's, which comes before the
// release itself.
type release struct {
	numbers   [3]int
	candidate int // 0: it is none
}

var versionText = regexp.MustCompile(`(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:-(?:rc|beta|alpha)\.?(\d{1,3}))?`)

func parse(text string) (release, bool) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return release{}, false
	}
	var r release
	for i := range r.numbers {
		r.numbers[i], _ = strconv.Atoi(m[i+1])
	}
	if m[4] != "" {
		n, _ := strconv.Atoi(m[4])
		r.candidate = max(n, 1)
	}
	return r, true
}

func (r release) String() string {
	s := fmt.Sprintf("%d.%d.%d", r.numbers[0], r.numbers[1], r.numbers[2])
	if r.candidate > 0 {
		s += fmt.Sprintf("-rc.%d", r.candidate)
	}
	return s
}

func (r release) compare(o release) int {
	rank := func(c int) int {
		if c == 0 {
			return 1 << 20
		}
		return c
	}
	return cmp.Or(r.branch(o), cmp.Compare(r.numbers[2], o.numbers[2]), cmp.Compare(rank(r.candidate), rank(o.candidate)))
}

// branch compares major and minor.
func (r release) branch(o release) int {
	return cmp.Or(cmp.Compare(r.numbers[0], o.numbers[0]), cmp.Compare(r.numbers[1], o.numbers[1]))
}

// reached says whether a version has the fix: it is of a branch that got it, and
// not older, or of a branch after all of them.
func (f floor) reached(v release) bool {
	var last release
	for _, text := range f.versions {
		least, _ := parse(text)
		if v.branch(least) == 0 {
			return v.compare(least) >= 0
		}
		last = least
	}
	return v.branch(last) > 0
}
