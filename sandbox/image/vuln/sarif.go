package vuln

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// sarifLog is what is read of SARIF as Trivy and Grype write it. The format
// has no place for packages: they are in the words of messages.
type sarifLog struct {
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver struct {
			Name    string      `json:"name"`
			Version string      `json:"version"`
			Rules   []sarifRule `json:"rules"`
		} `json:"driver"`
	} `json:"tool"`
	Invocations []struct {
		EndTimeUTC time.Time `json:"endTimeUtc"`
	} `json:"invocations"`
	Properties struct {
		ImageID     string   `json:"imageID"`
		RepoDigests []string `json:"repoDigests"`
	} `json:"properties"`
	Results []struct {
		RuleID  string    `json:"ruleId"`
		Message sarifText `json:"message"`
	} `json:"results"`
}

type sarifRule struct {
	ID               string    `json:"id"`
	ShortDescription sarifText `json:"shortDescription"`
	Help             sarifText `json:"help"`
	HelpURI          string    `json:"helpUri"`
	Properties       struct {
		SecuritySeverity string   `json:"security-severity"`
		Tags             []string `json:"tags"`
		PURLs            []string `json:"purls"`
	} `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

func readSARIF(b []byte) (Report, error) {
	var in sarifLog
	if err := decode(b, &in); err != nil {
		return Report{}, err
	}
	if in.Version != "2.1.0" || len(in.Runs) != 1 {
		return Report{}, problem.New(formats, "SARIF of version %q with %d runs; one run of 2.1.0 is read", name(in.Version), len(in.Runs))
	}
	run := in.Runs[0]
	out := Report{
		Tool: strings.ToLower(name(run.Tool.Driver.Name)), Version: name(run.Tool.Driver.Version),
		ImageID: digest(run.Properties.ImageID), Digests: digestsOf(run.Properties.RepoDigests),
	}
	if len(run.Invocations) > 0 {
		out.Created = run.Invocations[0].EndTimeUTC
	}
	read := map[string]func(sarifRule, string) Finding{"trivy": trivySARIF, "grype": grypeSARIF}[out.Tool]
	if read == nil {
		return Report{}, problem.New(formats, "SARIF of %q: only that of trivy and grype says which package is meant", out.Tool)
	}
	rules := map[string]sarifRule{}
	for _, rule := range run.Tool.Driver.Rules {
		rules[rule.ID] = rule
	}
	for _, result := range run.Results {
		rule, found := rules[result.RuleID]
		if !found {
			return Report{}, problem.New(formats, "SARIF with a result of rule %q, which it does not have", name(result.RuleID))
		}
		if other(rule.Properties.Tags) {
			continue
		}
		f, err := checked(read(rule, result.Message.Text))
		if err != nil {
			return Report{}, err
		}
		f.Source = out.Tool
		out.Findings = append(out.Findings, f)
	}
	return out, nil
}

// other says whether Trivy's tags are of a finding that is no vulnerability.
func other(tags []string) bool {
	return slices.ContainsFunc(tags, func(tag string) bool {
		return slices.Contains([]string{"misconfiguration", "secret", "license"}, tag)
	})
}

// trivySARIF reads a result of Trivy, whose message has a line for each field.
func trivySARIF(rule sarifRule, message string) Finding {
	score := rule.score()
	f := Finding{
		ID: name(rule.ID), Severity: parseSeverity(field(message, "Severity")), Score: score,
		Package: Package{Name: name(field(message, "Package")), Version: name(field(message, "Installed Version"))},
		FixedIn: versions(field(message, "Fixed Version")), URL: name(rule.HelpURI), Title: title(rule.ShortDescription.Text),
	}
	return f
}

// grypeSARIF reads a rule of Grype, one for each vulnerability in a package,
// whose help has a line for each field. The version there is of whichever
// match came first; the message has the result's own.
func grypeSARIF(rule sarifRule, message string) Finding {
	help := rule.Help.Text
	f := Finding{
		ID: name(field(help, "Vulnerability")), Severity: parseSeverity(field(help, "Severity")), Score: rule.score(),
		Package: Package{Name: name(field(help, "Package")), Version: name(field(help, "Version")), Type: name(field(help, "Type"))},
		FixedIn: versions(field(help, "Fix Version")), Title: title(rule.ShortDescription.Text),
	}
	if _, rest, found := strings.Cut(message, ", version "); found {
		version, _, _ := strings.Cut(rest, " was found")
		f.Package.Version = name(version)
	}
	if len(rule.Properties.PURLs) == 1 && f.Package.Version == name(field(help, "Version")) {
		f.Package.PURL = name(rule.Properties.PURLs[0])
	}
	if f.Severity == Low {
		// Grype's SARIF writes low for negligible and unknown too. Without a
		// score there is no telling; with one the worse of both holds.
		f.Severity = max(Low, bySeverityOf(f.Score))
		if f.Score == 0 {
			f.Severity = Unknown
		}
	}
	return f
}

func (r sarifRule) score() float64 {
	score, err := strconv.ParseFloat(r.Properties.SecuritySeverity, 64)
	if err != nil || !(score >= 0 && score <= 10) {
		return 0
	}
	return score
}

// field finds what follows "key: " or "key " at the start of a line.
func field(lines, key string) string {
	for line := range strings.Lines(lines) {
		if rest, found := strings.CutPrefix(line, key); found && strings.HasPrefix(rest, ":") || key == "Vulnerability" && found {
			return strings.TrimSpace(strings.TrimPrefix(rest, ":"))
		}
	}
	return ""
}

// versions splits a list of versions.
func versions(list string) []string { return namesOf(strings.Split(list, ",")) }
