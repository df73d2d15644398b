package pull

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/sandbox/image/trust"
	"github.com/safe-run/safe-run/sandbox/image/vuln"
	"github.com/safe-run/safe-run/spec"
)

// Checked is what held when an image was checked.
type Checked struct {
	Steps []trust.Step `json:"steps"`
	// Vulnerabilities is nil when the policy does not ask for them.
	Vulnerabilities *vuln.Verdict `json:"vulnerabilities,omitempty"`
	// Expires is when it must be checked again; zero is never.
	Expires time.Time `json:"expires,omitzero"`
	// pending is why there is no report yet, when a scanner may make one.
	pending error
	// reported says that there is a report, which does not count.
	reported bool
}

// lines are the steps as a record has them.
func (c *Checked) lines() []string {
	var out []string
	for _, s := range c.Steps {
		out = append(out, s.Name+": "+s.Held)
	}
	return out
}

// Check checks an image again, now, as the policy asks: the one that reference
// means in the store, or where it is found otherwise. With an error, what it
// gives is what held until then.
func Check(ctx context.Context, reference string, o Options) (*Checked, error) {
	ref, err := image.Parse(reference)
	if err != nil {
		return nil, err
	}
	p, err := newPuller(ctx, o)
	if err != nil {
		return nil, explain(ref, err)
	}
	defer p.close()
	checked, err := p.recheck(ctx, ref)
	if err != nil {
		return checked, explain(ref, err)
	}
	return checked, nil
}

func (p *puller) recheck(ctx context.Context, ref image.Reference) (*Checked, error) {
	key, err := image.Locate(ref)
	if err != nil {
		return nil, err
	}
	found, err := p.find(ctx, key, p.store.Record(key))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	checked, err := p.check(ctx, key, found)
	if err != nil || checked.pending == nil {
		return checked, err
	}
	return checked, p.scan(ctx, found, checked)
}

// check judges an image by its manifest and by what is beside it, before
// anything else of it is fetched.
func (p *puller) check(ctx context.Context, key image.Reference, found *source.Image) (*Checked, error) {
	subject := p.subject(key, found)
	verdict, err := trust.Check(ctx, p.Trust, subject)
	checked := &Checked{Steps: verdict.Steps, Expires: verdict.Expires}
	if err != nil || p.Trust.Vulnerabilities == nil {
		return checked, err
	}
	return checked, p.gate(ctx, found, subject, checked)
}

// subject is the image as package trust judges it. The reference that was
// written says whether a digest was asked for; where the image was found says
// whose it is.
func (p *puller) subject(key image.Reference, found *source.Image) trust.Subject {
	s := trust.Subject{
		Reference: found.Reference.String(), Transport: found.Reference.Transport, Repository: found.Repository,
		Pinned: key.Pinned(),
		Made:   found.Made, Manifest: found.Manifest, Digests: []v1.Hash{found.Digest}, Attached: found.Attached,
	}
	if found.Index.Hex != "" {
		s.Digests = append(s.Digests, found.Index)
	}
	return s
}

// gate looks for reports beside the image and in the file that the policy
// names. When neither has one that counts and a scanner may be asked, that is
// left for when the image is in the store.
func (p *puller) gate(ctx context.Context, found *source.Image, subject trust.Subject, checked *Checked) error {
	reports, reason, err := p.reports(ctx, subject)
	if err != nil {
		return err
	}
	err = p.judge(found, reports, checked)
	if err == nil || errors.Is(err, vuln.ErrBlocked) {
		return err
	}
	if reason != nil && len(reports) == 0 {
		err = reason
	}
	if p.wants(spec.FromScanner) {
		checked.pending, checked.reported = err, len(reports) > 0
		return nil
	}
	return err
}

// wants reports whether findings may come from a source.
func (p *puller) wants(s spec.VulnerabilitySource) bool {
	sources := p.Trust.Vulnerabilities.Sources
	return sources == nil || slices.Contains(sources, s)
}

// reports gathers the reports that were signed and the one that is a file.
// reason says why there is none.
func (p *puller) reports(ctx context.Context, subject trust.Subject) (out []vuln.Report, reason, err error) {
	policy := p.Trust.Vulnerabilities
	if p.wants(spec.FromAttestation) {
		out, reason, err = p.attested(ctx, subject)
		if err != nil {
			return nil, nil, err
		}
	}
	if p.wants(spec.FromReport) && policy.Report != "" {
		r, err := vuln.Load(policy.Report)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, r)
	}
	return out, reason, nil
}

// attested gives the reports that are signed, by each entry of the policy's
// signatures its own (see trust.Attestations).
func (p *puller) attested(ctx context.Context, subject trust.Subject) (out []vuln.Report, reason, err error) {
	statements, err := trust.Attestations(ctx, p.Trust, subject, vuln.VulnPredicate)
	if errors.Is(err, trust.ErrNone) {
		return nil, err, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, s := range statements {
		r, err := vuln.ReadAttestation(s.Predicate, s.Digest.String())
		if err != nil {
			return nil, nil, err
		}
		r.Signer = strconv.Itoa(s.Entry)
		out = append(out, r)
	}
	return out, nil, nil
}

// judge applies the gate to reports, and notes what it says.
func (p *puller) judge(found *source.Image, reports []vuln.Report, checked *Checked) error {
	policy := *p.Trust.Vulnerabilities
	var documents []vuln.VEX
	for _, path := range policy.VEX {
		doc, err := vuln.LoadVEX(path)
		if err != nil {
			return err
		}
		documents = append(documents, doc)
	}
	subject := vuln.Subject{Name: found.Reference.String(), Digests: []string{found.Digest.String()}, ConfigDigest: digestOf(found.Config)}
	if found.Index.Hex != "" {
		subject.Digests = append(subject.Digests, found.Index.String())
	}
	verdict, err := vuln.Judge(policy, vuln.Known{Reports: reports, VEX: documents}, subject, time.Now())
	if err == nil || errors.Is(err, vuln.ErrBlocked) {
		checked.Vulnerabilities = &verdict
	}
	if err != nil {
		return err
	}
	if checked.Expires.IsZero() || verdict.Expires.Before(checked.Expires) {
		checked.Expires = verdict.Expires
	}
	checked.Steps = append(checked.Steps, trust.Step{Name: "vulnerabilities", Held: held(policy, verdict)})
	return nil
}

// held is what the gate found, in a few words.
func held(policy spec.Vulnerabilities, v vuln.Verdict) string {
	var by []string
	for _, e := range v.Evidence {
		by = append(by, strings.TrimSpace(cmp.Or(e.Tool, "a report")+" "+e.Version)+" of "+e.Created.UTC().Format(time.DateOnly))
	}
	text := fmt.Sprintf("none of %s or worse, by %s", policy.Block, strings.Join(by, ", "))
	if n := v.Summary.Suppressed; n > 0 {
		text += fmt.Sprintf("; %d taken back by VEX", n)
	}
	return text
}

// checkContents asks a scanner, when nothing else could be asked.
func (p *puller) checkContents(ctx context.Context, found *source.Image, checked *Checked) error {
	if checked.pending == nil {
		return nil
	}
	return p.scan(ctx, found, checked)
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
