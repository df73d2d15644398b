package vuln

import (
	"slices"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// trivyReport is what is read of Trivy's JSON of schema version 2.
type trivyReport struct {
	SchemaVersion int
	Trivy         struct{ Version string }
	CreatedAt     time.Time
	ArtifactType  string
	Metadata      struct {
		ImageID     string
		RepoDigests []string
	}
	Results list[trivyResult]
}

type trivyResult struct {
	Class           string
	Type            string
	Vulnerabilities list[trivyFinding]
}

type trivyFinding struct {
	VulnerabilityID  string
	VendorIDs        []string
	PkgName          string
	PkgIdentifier    struct{ PURL string }
	InstalledVersion string
	FixedVersion     string
	Status           string
	Severity         string
	CVSS             map[string]struct{ V2Score, V3Score, V40Score float64 }
	PrimaryURL       string
	Title            string
}

func readTrivy(b []byte) (Report, error) {
	var in trivyReport
	if err := decode(b, &in); err != nil {
		return Report{}, err
	}
	if in.SchemaVersion != 2 {
		return Report{}, problem.New(formats, "a Trivy report of schema version %d, not 2", in.SchemaVersion)
	}
	if in.ArtifactType != "container_image" {
		return Report{}, problem.New("trivy image --format json IMAGE", "a Trivy report of a %q, not of a container image", name(in.ArtifactType))
	}
	out := Report{
		Tool: "trivy", Version: name(in.Trivy.Version), Created: in.CreatedAt,
		ImageID: digest(in.Metadata.ImageID), Digests: digestsOf(in.Metadata.RepoDigests),
	}
	// Trivy also looks for secrets and misconfigurations. A report of those
	// alone says nothing of vulnerabilities.
	looked := len(in.Results) == 0
	for _, result := range in.Results {
		looked = looked || slices.Contains([]string{"os-pkgs", "lang-pkgs"}, result.Class)
		for _, v := range result.Vulnerabilities {
			f, err := checked(v.finding(result.Type))
			if err != nil {
				return Report{}, err
			}
			out.Findings = append(out.Findings, f)
		}
	}
	if !looked {
		return Report{}, problem.New("trivy image --scanners vuln --format json IMAGE", "a Trivy report of no packages")
	}
	return out, nil
}

// finding is v. Trivy's status "fixed" says that a fix exists, not that the
// image has it: what Trivy lists is affected.
func (v trivyFinding) finding(kind string) Finding {
	f := Finding{
		ID: name(v.VulnerabilityID), Aliases: namesOf(v.VendorIDs), Severity: parseSeverity(v.Severity),
		Package: Package{Name: name(v.PkgName), Version: name(v.InstalledVersion), PURL: name(v.PkgIdentifier.PURL), Type: name(kind)},
		FixedIn: versions(v.FixedVersion), Source: "trivy", URL: name(v.PrimaryURL), Title: title(v.Title),
	}
	for _, score := range v.CVSS {
		f.Score = max(f.Score, score.V3Score, score.V40Score)
	}
	if f.Score == 0 {
		for _, score := range v.CVSS {
			f.Score = max(f.Score, score.V2Score)
		}
	}
	return f
}
