package vuln

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// grypeReport is what is read of Grype's JSON.
type grypeReport struct {
	Matches list[grypeMatch] `json:"matches"`
	Source  struct {
		Type   string          `json:"type"`
		Target json.RawMessage `json:"target"` // an object when Type is image, else a path
	} `json:"source"`
	Descriptor struct {
		Name      string    `json:"name"`
		Version   string    `json:"version"`
		Timestamp time.Time `json:"timestamp"`
		DB        struct {
			Built  time.Time `json:"built"` // before database schema 6
			Status struct {
				Built time.Time `json:"built"`
			} `json:"status"`
		} `json:"db"`
	} `json:"descriptor"`
}

type grypeTarget struct {
	ImageID        string   `json:"imageID"`
	ManifestDigest string   `json:"manifestDigest"`
	RepoDigests    []string `json:"repoDigests"`
}

type grypeMatch struct {
	Vulnerability struct {
		grypeVulnerability
		DataSource  string `json:"dataSource"`
		Severity    string `json:"severity"`
		Description string `json:"description"`
		Fix         struct {
			Versions []string `json:"versions"`
		} `json:"fix"`
	} `json:"vulnerability"`
	Related  list[grypeVulnerability] `json:"relatedVulnerabilities"`
	Artifact struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Type    string `json:"type"`
		PURL    string `json:"purl"`
	} `json:"artifact"`
}

type grypeVulnerability struct {
	ID   string          `json:"id"`
	CVSS list[grypeCVSS] `json:"cvss"`
}

type grypeCVSS struct {
	Metrics struct {
		BaseScore float64 `json:"baseScore"`
	} `json:"metrics"`
}

func readGrype(b []byte) (Report, error) {
	var in grypeReport
	if err := decode(b, &in); err != nil {
		return Report{}, err
	}
	if in.Descriptor.Name != "grype" {
		return Report{}, problem.New(formats, "a report with matches, but not of grype (%q)", name(in.Descriptor.Name))
	}
	if in.Source.Type != "image" {
		return Report{}, problem.New("grype -o json IMAGE", "a Grype report of a %q, not of an image", name(in.Source.Type))
	}
	var target grypeTarget
	if err := decode(in.Source.Target, &target); err != nil {
		return Report{}, err
	}
	out := Report{
		Tool: "grype", Version: name(in.Descriptor.Version), Created: in.Descriptor.Timestamp, DB: in.Descriptor.DB.Status.Built,
		ImageID: digest(target.ImageID), Digests: digestsOf(append([]string{target.ManifestDigest}, target.RepoDigests...)),
	}
	if out.DB.IsZero() {
		out.DB = in.Descriptor.DB.Built
	}
	for _, m := range in.Matches {
		f, err := checked(m.finding())
		if err != nil {
			return Report{}, err
		}
		out.Findings = append(out.Findings, f)
	}
	return out, nil
}

func (m grypeMatch) finding() Finding {
	v, a := m.Vulnerability, m.Artifact
	f := Finding{
		ID: name(v.ID), Severity: parseSeverity(v.Severity), FixedIn: namesOf(v.Fix.Versions), Source: "grype",
		Package: Package{Name: name(a.Name), Version: name(a.Version), PURL: name(a.PURL), Type: name(a.Type)},
		Title:   title(v.Description), URL: name(v.DataSource), Score: v.score(),
	}
	var related []string
	for _, r := range m.Related {
		if !strings.EqualFold(r.ID, v.ID) {
			related = append(related, r.ID)
		}
		if v.score() == 0 {
			f.Score = max(f.Score, r.score())
		}
	}
	f.Aliases = namesOf(related)
	return f
}

func (v grypeVulnerability) score() float64 {
	var worst float64
	for _, c := range v.CVSS {
		worst = max(worst, c.Metrics.BaseScore)
	}
	return worst
}
