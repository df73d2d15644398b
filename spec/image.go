package spec

import (
	"slices"
	"strings"
	"time"

	"github.com/safe-run/safe-run/profiles"
)

// TrustOf is what a profile asks of images. It is the same for every profile
// that Compile takes with the same image section, whatever it is called.
func TrustOf(p profiles.Profile) Trust {
	i := p.Image
	t := Trust{RequireDigest: or(i.RequireDigest, false)}
	if i.Registries != nil {
		t.Registries = make([]string, 0, len(i.Registries))
		for _, r := range i.Registries {
			t.Registries = append(t.Registries, string(r))
		}
	}
	for _, s := range i.Signatures {
		by := SignedBy{Name: s.Name, Keys: slices.Clone(s.Keys), TrustRoot: s.TrustRoot}
		for _, id := range s.Keyless {
			by.Keyless = append(by.Keyless, Identity(id))
		}
		t.Signatures = append(t.Signatures, by)
	}
	t.Vulnerabilities = gateOf(i)
	return t
}

// gateOf is the gate with its defaults written out; nil where nothing is
// blocked.
func gateOf(i profiles.Image) *Vulnerabilities {
	v := i.Vulnerabilities
	if v.Block == nil {
		return nil
	}
	g := &Vulnerabilities{
		Block:       string(*v.Block),
		FixableOnly: or(v.FixableOnly, false),
		MaxAge:      time.Duration(or(v.MaxAge, profiles.DefaultMaxAge)),
		Sources:     []VulnerabilitySource{},
		VEX:         slices.Clone(v.VEX),
	}
	for _, s := range i.FindingSources() {
		g.Sources = append(g.Sources, VulnerabilitySource(s))
	}
	if report := or(v.Report, profiles.NoReport); report != profiles.NoReport {
		g.Report = report
	}
	return g
}

// image says what the image had to satisfy. Whether it does was found out when
// it was opened; here it is written down with its reasons.
func (c *compiler) image() error {
	t := TrustOf(c.in.Profile)
	if t.Zero() {
		return nil
	}
	c.plan.Trust = &t
	if t.Registries != nil {
		c.decide(Decision{
			Setting: "image registries", Value: listOr(t.Registries, "none"), Source: c.source("image.registries"),
			Why: "images come from nowhere else",
		})
	}
	if t.RequireDigest {
		c.decide(Decision{
			Setting: "image digest", Value: "needed in the name", Source: c.source("image.requireDigest"),
			Why: "a tag can be moved to another image",
		})
	}
	for _, s := range c.in.Profile.Image.Signatures {
		at := entry("image.signatures", s.String())
		c.decide(Decision{
			Setting: "image signature " + s.Name, Value: signers(s), Source: c.source(at),
			Why: c.why(at, "nobody else's images run"),
		})
	}
	c.gate(t.Vulnerabilities)
	return nil
}

// ImageDecisions are those that Compile makes about what images must satisfy:
// they hold whatever the image is, also of one that is refused.
func ImageDecisions(p profiles.Profile) []Decision {
	c := &compiler{in: Input{Profile: p}, plan: new(Plan)}
	if c.image() != nil {
		return nil
	}
	return c.plan.Decisions
}

// signers says whose signature will do.
func signers(s profiles.Signature) string {
	list := slices.Clone(s.Keys)
	for _, id := range s.Keyless {
		list = append(list, id.String())
	}
	return "by " + strings.Join(list, " or ")
}

func (c *compiler) gate(g *Vulnerabilities) {
	if g == nil {
		return
	}
	const at = "image.vulnerabilities"
	sources := make([]string, len(g.Sources))
	for i, s := range g.Sources {
		sources[i] = string(s)
	}
	d := Decision{
		Setting: "image vulnerabilities", Source: c.source(at + ".block"),
		Value: "none of severity " + g.Block + " or worse, known at most " + hours(g.MaxAge) + " ago, from " + strings.Join(sources, ", "),
		Why:   c.why(at+".block", "what is known to be weak is attacked first"),
	}
	if g.FixableOnly {
		d.Weakens = "vulnerabilities that have no fix yet pass"
	}
	c.decide(d)
	if len(g.VEX) > 0 {
		c.decide(Decision{
			Setting: "image vex", Value: strings.Join(g.VEX, ", "), Source: c.source(at + ".vex"),
			Weakens: "findings that these documents set aside pass",
		})
	}
}

// hours writes a time without the units that are zero: 24h, not 24h0m0s.
func hours(d time.Duration) string {
	s := d.String()
	for _, end := range []string{"m0s", "h0m"} {
		if rest, ok := strings.CutSuffix(s, end); ok {
			s = rest + end[:1]
		}
	}
	return s
}
