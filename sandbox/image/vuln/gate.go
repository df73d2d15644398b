package vuln

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// skew is how far the clock of a scanner may be ahead of this one.
const skew = 5 * time.Minute

// ErrBlocked is what Judge's error wraps when the image has findings that
// the policy does not let pass. The verdict is whole then.
var ErrBlocked = errors.New("vulnerabilities")

// Subject is the image that is judged.
type Subject struct {
	// Name is the image's in messages.
	Name string
	// Digests are those of its manifest and, where one led to it, its index.
	Digests []string
	// ConfigDigest is that of its config.
	ConfigDigest string
}

// all are the digests by which the image may be named.
func (s Subject) all() []string {
	return slices.DeleteFunc(append(slices.Clone(s.Digests), s.ConfigDigest), func(d string) bool { return digest(d) == "" })
}

// indexes are the digests that may be of images for other platforms, too.
func (s Subject) indexes() []string {
	others := slices.Clone(s.Digests[min(1, len(s.Digests)):])
	return slices.DeleteFunc(others, func(d string) bool { return d == s.Digests[0] || d == s.ConfigDigest })
}

// Evidence is a report that a verdict rests on.
type Evidence struct {
	Tool    string    `json:"tool"`
	Version string    `json:"version,omitempty"`
	Created time.Time `json:"created"`
	DB      time.Time `json:"db,omitzero"`
}

// Verdict is what the gate says of an image.
type Verdict struct {
	Image string `json:"image"`
	// Block is the policy's threshold.
	Block Severity `json:"block"`
	// Expires is when the oldest of Evidence is too old.
	Expires  time.Time  `json:"expires"`
	Summary  Summary    `json:"summary"`
	Evidence []Evidence `json:"evidence"`
	// Ignored says why reports were not used beside those that were.
	Ignored []string `json:"ignored,omitempty"`
	// Blocked keep the image from running.
	Blocked []Finding `json:"blocked"`
	// Suppressed were taken back by VEX.
	Suppressed []Finding `json:"suppressed"`
	// All is every finding, the worst first.
	All []Finding `json:"findings"`
}

// Summary counts findings. Suppressed ones are in Suppressed only.
type Summary struct {
	Critical   int `json:"critical"`
	High       int `json:"high"`
	Medium     int `json:"medium"`
	Low        int `json:"low"`
	Negligible int `json:"negligible"`
	Unknown    int `json:"unknown"`
	Suppressed int `json:"suppressed"`
	Blocked    int `json:"blocked"`
}

// Known is what is known of an image's vulnerabilities.
type Known struct {
	Reports []Report
	VEX     []VEX
}

// Judge says whether an image may run, by the reports that are bound to it and
// young enough; one is needed at least. The error is non-nil whenever the image must
// not run: for findings it wraps ErrBlocked and the verdict is whole.
func Judge(policy spec.Vulnerabilities, known Known, subject Subject, now time.Time) (Verdict, error) {
	shown := name(subject.Name)
	out := Verdict{Image: shown}
	if err := out.Block.UnmarshalText([]byte(policy.Block)); err != nil || out.Block == Unknown {
		return Verdict{}, problem.New("image.vulnerabilities.block is one of negligible, low, medium, high, critical",
			"image %s: vulnerabilities cannot be judged: no severity %q", shown, name(policy.Block))
	}
	for _, doc := range known.VEX {
		if slices.ContainsFunc(doc.statements, func(s statement) bool { return s.since.After(now.Add(skew)) }) {
			return Verdict{}, problem.New(vexHint, "VEX document %s has a statement from the future", doc.name)
		}
	}
	used, first := out.usable(policy, known.Reports, subject, now)
	if len(used) == 0 {
		if first == nil {
			first = problem.New("name a report in image.vulnerabilities.report ("+formats+"), attach a signed one (cosign attest --type vuln), or install trivy or grype",
				"image %s has no vulnerability report", shown)
		}
		return Verdict{}, first
	}
	for _, r := range used {
		out.Evidence = append(out.Evidence, Evidence{Tool: r.Tool, Version: r.Version, Created: r.Created.UTC(), DB: r.DB.UTC()})
		if until := r.oldest(now).Add(policy.MaxAge).UTC(); out.Expires.IsZero() || until.Before(out.Expires) {
			out.Expires = until
		}
	}
	out.judge(policy, merge(used), known.VEX, subject)
	return out, out.blocked()
}

// usable are the reports that count, and why the first of the others does not.
// Signed ones count when each signer has one that does: they may be those of
// several policies, and what one of them said too long ago must not be said by
// another in its place.
func (v *Verdict) usable(policy spec.Vulnerabilities, reports []Report, subject Subject, now time.Time) (used []Report, first error) {
	missing := map[string]bool{}
	for _, r := range reports {
		missing[r.Signer] = r.Signer != ""
	}
	for _, r := range reports {
		if err := usable(r, policy, subject, now); err != nil {
			first = cmp.Or(first, err)
			v.Ignored = append(v.Ignored, err.Error())
			continue
		}
		missing[r.Signer] = false
		used = append(used, r)
	}
	if slices.Contains(slices.Collect(maps.Values(missing)), true) {
		used = slices.DeleteFunc(used, func(r Report) bool { return r.Signer != "" })
	}
	return used, first
}

// judge sorts findings into blocked, suppressed and the rest.
func (v *Verdict) judge(policy spec.Vulnerabilities, found []Finding, documents []VEX, subject Subject) {
	v.Blocked, v.Suppressed, v.All = []Finding{}, []Finding{}, []Finding{} // [] in JSON, not null
	for _, f := range found {
		f = apply(f, documents, subject)
		v.All = append(v.All, f)
		if f.suppressed() {
			v.Suppressed = append(v.Suppressed, f)
			continue
		}
		v.Summary.count(f.Severity)
		if f.rank() >= v.Block && (len(f.FixedIn) > 0 || !policy.FixableOnly) {
			v.Blocked = append(v.Blocked, f)
		}
	}
	v.Summary.Suppressed, v.Summary.Blocked = len(v.Suppressed), len(v.Blocked)
}

func (s *Summary) count(severity Severity) {
	*[]*int{&s.Unknown, &s.Negligible, &s.Low, &s.Medium, &s.High, &s.Critical}[severity]++
}

// merge joins the findings of reports. What two of them found is one finding:
// the worse severity holds, and a fix that either knows is a fix.
func merge(reports []Report) []Finding {
	type key struct{ id, name, version, purl string }
	at := map[key]int{}
	out := []Finding{}
	for _, r := range reports {
		for _, f := range r.Findings {
			k := key{f.ID, f.Package.Name, f.Package.Version, f.Package.PURL}
			i, there := at[k]
			if !there {
				at[k] = len(out)
				out = append(out, f)
				continue
			}
			out[i] = join(out[i], f)
		}
	}
	slices.SortFunc(out, worstFirst)
	return out
}

func join(a, b Finding) Finding {
	if b.rank() > a.rank() {
		a.Severity = b.Severity
	}
	a.Score = max(a.Score, b.Score)
	a.Aliases = namesOf(slices.Concat(a.Aliases, b.Aliases))
	a.FixedIn = namesOf(slices.Concat(a.FixedIn, b.FixedIn))
	if a.Source != b.Source {
		a.Source += ", " + b.Source
	}
	return a
}
