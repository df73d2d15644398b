package profiles

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// candidate is an image with one finding, as far as a policy can tell images
// apart.
type candidate struct {
	place    string // repository
	pinned   bool   // named by digest
	keys     []string
	subjects []string // of certificates under /root.json by https://a.example
	severity string
	fixable  bool
	vex      string // the document that sets the finding aside
	from     FindingSource
	report   string
	age      time.Duration
}

func anyCandidate(t *rapid.T) candidate {
	return candidate{
		place:    rapid.SampledFrom([]string{"ghcr.io/acme/app", "ghcr.io/acme/app/x", "ghcr.io/acmes/x", "ghcr.io/x", "docker.io/library/x", "quay.io/x"}).Draw(t, "place"),
		pinned:   rapid.Bool().Draw(t, "pinned"),
		keys:     rapid.SampledFrom([][]string{nil, {"/a.pub"}, {"/b.pub"}, {"/a.pub", "/b.pub", "/a.pub,/b.pub"}}).Draw(t, "keys"),
		subjects: rapid.SampledFrom([][]string{nil, {"x"}, {"x y"}, {"x", "x y", `"x"`}}).Draw(t, "subjects"),
		severity: rapid.SampledFrom(bySeverity).Draw(t, "severity"),
		fixable:  rapid.Bool().Draw(t, "fixable"),
		vex:      rapid.SampledFrom([]string{"", "/tmp", "/run"}).Draw(t, "vex"),
		from:     rapid.SampledFrom([]FindingSource{"attestation", "report", "scanner"}).Draw(t, "from"),
		report:   rapid.SampledFrom([]string{"/tmp", "/run", "/cache"}).Draw(t, "report"),
		age:      rapid.SampledFrom([]time.Duration{0, 10 * time.Minute, 20 * time.Hour, 30 * time.Hour}).Draw(t, "age"),
	}
}

// bySeverity orders the severities by how bad they are.
var bySeverity = []string{"negligible", "low", "medium", "high", "critical"}

// passes judges an image as a person reads the policy, independently of the
// arithmetic.
func passes(i Image, c candidate) bool {
	below := func(r Registry) bool { return strings.HasPrefix(c.place+"/", string(r)+"/") }
	if i.Registries != nil && !slices.ContainsFunc(i.Registries, below) {
		return false
	}
	if i.RequireDigest != nil && *i.RequireDigest && !c.pinned {
		return false
	}
	for _, s := range i.Signatures {
		byKey := slices.ContainsFunc(s.Keys, func(k string) bool { return slices.Contains(c.keys, k) })
		byName := s.TrustRoot == "/root.json" && slices.ContainsFunc(s.Keyless, func(id Identity) bool { return slices.Contains(c.subjects, id.Subject) })
		if !byKey && !byName {
			return false
		}
	}
	return i.Vulnerabilities.Block == nil || passesGate(i.Vulnerabilities, c)
}

func passesGate(v Vulnerabilities, c candidate) bool {
	oldest := 24 * time.Hour
	if v.MaxAge != nil {
		oldest = time.Duration(*v.MaxAge)
	}
	if c.age > oldest || (v.Sources != nil && !slices.Contains(v.Sources, c.from)) {
		return false
	}
	if c.from == "report" && v.Report != nil && *v.Report != c.report {
		return false
	}
	bad := slices.Index(bySeverity, c.severity) >= slices.Index(bySeverity, string(*v.Block))
	fixableOnly := v.FixableOnly != nil && *v.FixableOnly
	return !bad || (fixableOnly && !c.fixable) || slices.Contains(v.VEX, c.vex)
}

// What the meet of two policies lets pass, both let pass; and apart from the
// gate, whose parts meet one by one, it lets pass all that both do.
func TestImageMeetIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyProfile(t, "a"), anyProfile(t, "b")
		met, canonical := Tighten(a, b).Image, Canonical(a).Image
		for range 20 {
			c := anyCandidate(t)
			left, right := passes(a.Image, c), passes(b.Image, c)
			if passes(met, c) && !(left && right) {
				t.Fatalf("left %t, right %t, met passes: %+v\n%+v\n%+v", left, right, c, a.Image, b.Image)
			}
			if passes(canonical, c) != left {
				t.Fatalf("%t, canonical %t: %+v\n%+v", left, !left, c, a.Image)
			}
			gates := a.Image.Vulnerabilities.Block != nil && b.Image.Vulnerabilities.Block != nil
			if !gates && passes(met, c) != (left && right) {
				t.Fatalf("both pass, met does not: %+v\n%+v\n%+v", c, a.Image, b.Image)
			}
		}
	})
}

// What Looser calls within a floor passes nothing that the floor does not.
func TestWithinFloorPassesNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, floor := Profile{Image: anyProfile(t, "p").Image}, Profile{Image: anyProfile(t, "floor").Image}
		if rapid.Bool().Draw(t, "tightened") {
			p = Tighten(p, floor)
		}
		if len(Looser(p, floor)) > 0 {
			return
		}
		for range 20 {
			if c := anyCandidate(t); passes(p.Image, c) && !passes(floor.Image, c) {
				t.Fatalf("within the floor, but passes %+v\n%+v\n%+v", c, p.Image, floor.Image)
			}
		}
	})
}

// Signatures that ask for different things are never taken for one.
func TestSignaturesAreToldApart(t *testing.T) {
	id := func(issuer, subject, expression string) []Identity { return []Identity{{issuer, subject, expression}} }
	seen := map[string]Signature{}
	for _, s := range []Signature{
		{}, {Name: "a"}, {Name: "a keys /b"}, {Name: "a", Keys: []string{"/b"}},
		{Name: "a", Keys: []string{"/b", "/c"}}, {Name: "a", Keys: []string{"/b,/c"}}, {Name: "a", Keys: []string{`"/b`, `/c"`}},
		{Name: "a", Keys: []string{"/b keyless x"}}, {Name: "a", Keys: []string{"/b"}, Keyless: id("x", "", "")},
		{Name: "a", Keys: []string{"/b trustRoot /c"}}, {Name: "a", Keys: []string{"/b"}, TrustRoot: "/c"},
		{Name: "a", Keyless: id("x", "y", "")}, {Name: "a", Keyless: id("x", "", "y")}, {Name: "a", Keyless: id("x subject y", "", "")},
		{Name: "a", Keyless: id("x", "y subjectRegExp z", "")}, {Name: "a", Keyless: id("x", "y", "z")},
		{Name: "a", Keyless: id("x", "y", ""), TrustRoot: "/c"},
	} {
		if other, double := seen[s.String()]; double {
			t.Errorf("%q is written for %+v and for %+v", s.String(), other, s)
		}
		seen[s.String()] = s
	}
	x := Signature{Name: "a", Keys: []string{"/b", "/c"}, Keyless: []Identity{{"x", "y", ""}, {"x", "", "z"}}}
	y := Signature{Name: "a", Keys: []string{"/c", "/b"}, Keyless: []Identity{{"x", "", "z"}, {"x", "y", ""}}, Why: "another"}
	if x.String() != y.String() {
		t.Errorf("order or reason tells apart %q and %q", x, y)
	}
}

// Who blocks what is less bad blocks more.
func TestSeveritiesAreOrdered(t *testing.T) {
	for i := range bySeverity {
		for j := range bySeverity {
			x, y := Severity(bySeverity[i]), Severity(bySeverity[j])
			a, b := Profile{Image: Image{Vulnerabilities: Vulnerabilities{Block: &x}}}, Profile{Image: Image{Vulnerabilities: Vulnerabilities{Block: &y}}}
			if got := *Tighten(a, b).Image.Vulnerabilities.Block; got != Severity(bySeverity[min(i, j)]) {
				t.Errorf("%s and %s are %s", x, y, got)
			}
			if looser := len(Looser(a, b)) > 0; looser != (i > j) {
				t.Errorf("%s is looser than %s: %t", x, y, looser)
			}
		}
	}
}
