package vuln

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// usable says why a report says nothing of the image now; nil: it does.
func usable(r Report, policy spec.Vulnerabilities, subject Subject, now time.Time) error {
	shown := name(subject.Name)
	if err := bound(r, subject); err != nil {
		return err
	}
	again := fmt.Sprintf("scan the image again, or raise image.vulnerabilities.maxAge (%s)", policy.MaxAge)
	switch {
	case r.Created.IsZero():
		return problem.New(formats, "image %s: the report of %s does not say when it was made", shown, r.Tool)
	case r.Created.After(now.Add(skew)) || r.DB.After(now.Add(skew)):
		return problem.New("set the clock of the machine that scanned, or of this one",
			"image %s: the report of %s, or its database, is from the future (%s)", shown, r.Tool, r.latest().UTC().Format(time.RFC3339))
	case now.Sub(r.Created) > policy.MaxAge:
		return problem.New(again, "image %s: the report of %s is too old (%s)", shown, r.Tool, r.Created.UTC().Format(time.RFC3339))
	case !r.DB.IsZero() && now.Sub(r.DB) > policy.MaxAge:
		return problem.New("update the scanner's database (trivy image --download-db-only, grype db update) and scan again",
			"image %s: the report of %s was made with too old a database (%s)", shown, r.Tool, r.DB.UTC().Format(time.RFC3339))
	}
	return nil
}

// bound refuses a report that is not of this image. The image's identity
// decides where the report says it: an index's digest covers the images of
// other platforms too.
func bound(r Report, subject Subject) error {
	shown, known := name(subject.Name), subject.all()
	if len(known) == 0 {
		return problem.New("", "image %s: no digest that a report could be bound to", shown)
	}
	said := r.Digests
	if r.ImageID != "" {
		said = []string{r.ImageID}
	}
	if r.Subject != "" && !slices.Contains(known, r.Subject) {
		return foreign(r, shown, r.Subject)
	}
	if len(said) == 0 {
		if r.Subject != "" {
			return nil
		}
		return problem.New(formats, "image %s: the report of %s does not say which image it is of", shown, r.Tool)
	}
	if r.ImageID == "" && r.Subject == "" {
		known = slices.DeleteFunc(known, func(d string) bool { return slices.Contains(subject.indexes(), d) })
	}
	if slices.ContainsFunc(said, func(d string) bool { return slices.Contains(known, d) }) {
		return nil
	}
	if slices.ContainsFunc(said, func(d string) bool { return slices.Contains(subject.indexes(), d) }) {
		return problem.New("scan this image by its own digest, "+subject.Digests[0],
			"image %s: the report of %s is of an image for any of several platforms (%s)", shown, r.Tool, said[0])
	}
	return foreign(r, shown, said[0])
}

func foreign(r Report, shown, digest string) error {
	return problem.New("scan this image and name its report", "image %s: the report of %s is of another image (%s)", shown, r.Tool, digest)
}

// oldest is the time from which on the report ages.
func (r Report) oldest(now time.Time) time.Time {
	out := r.Created
	if now.Before(out) {
		out = now // within the skew
	}
	if !r.DB.IsZero() && r.DB.Before(out) {
		out = r.DB
	}
	return out
}

// latest is the later of what the report is made of.
func (r Report) latest() time.Time {
	if r.DB.After(r.Created) {
		return r.DB
	}
	return r.Created
}

// How many findings a message lists.
const listed = 3

// blockedError has the line of a Problem and is ErrBlocked.
type blockedError struct{ line string }

func (e blockedError) Error() string { return e.line }
func (blockedError) Unwrap() error   { return ErrBlocked }

// blocked is the error for findings that block; nil when there are none.
func (v Verdict) blocked() error {
	if len(v.Blocked) == 0 {
		return nil
	}
	var parts []string
	for _, f := range v.Blocked[:min(listed, len(v.Blocked))] {
		part := f.ID + " in " + f.Package.String()
		if len(f.FixedIn) > 0 {
			part += " (fixed in " + strings.Join(f.FixedIn[:min(2, len(f.FixedIn))], " or ") + ")"
		}
		parts = append(parts, part)
	}
	if more := len(v.Blocked) - listed; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return problem.New(v.hint(), "image %s has %s: %w", v.Image, v.amount(), blockedError{strings.Join(parts, ", ")})
}

// amount is such as "3 findings of high or worse (2 critical)".
func (v Verdict) amount() string {
	out := fmt.Sprintf("%d findings of %s or worse", len(v.Blocked), v.Block)
	if len(v.Blocked) == 1 {
		out = fmt.Sprintf("a finding of %s or worse", v.Block)
	}
	if v.Block == Critical {
		out = strings.Replace(out, "critical or worse", "critical severity", 1)
	}
	critical := 0
	for _, f := range v.Blocked {
		if f.rank() == Critical {
			critical++
		}
	}
	if critical > 0 && v.Block < Critical {
		out += fmt.Sprintf(" (%d critical)", critical)
	}
	return out
}

// hint names the smallest next step: a rebuild where everything has a fix, and
// else VEX or another threshold.
func (v Verdict) hint() string {
	var fixes []string
	for _, f := range v.Blocked {
		if len(f.FixedIn) > 0 {
			if fix := f.Package.Name + " " + f.FixedIn[0]; !slices.Contains(fixes, fix) {
				fixes = append(fixes, fix)
			}
		}
	}
	vex := "say in an OpenVEX document (image.vulnerabilities.vex) what does not affect the image, or change image.vulnerabilities.block"
	if len(fixes) == 0 {
		return vex
	}
	more := ""
	if len(fixes) > listed {
		fixes, more = fixes[:listed], " and the rest"
	}
	return "rebuild the image with " + strings.Join(fixes, ", ") + more + "; or " + vex
}
