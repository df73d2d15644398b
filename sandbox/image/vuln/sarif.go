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
	Version string         `json:"version"`
	Runs    list[sarifRun] `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver struct {
			Name    string          `json:"name"`
			Version string          `json:"version"`
			Rules   list[sarifRule] `json:"rules"`
		} `json:"driver"`
	} `json:"tool"`
	Invocations list[sarifInvocation] `json:"invocations"`
	Properties  struct {
		ImageID     string   `json:"imageID"`
		RepoDigests []string `json:"repoDigests"`
	} `json:"properties"`
	Results list[sarifResult] `json:"results"`
}

type sarifInvocation struct {
	EndTimeUTC time.Time `json:"endTimeUtc"`
}

type sarifResult struct {
	RuleID  string    `json:"ruleId"`
	Message sarifText `json:"message"`
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
	read := map[string]func(sarifRule, string) (Finding, error){"trivy": trivySARIF, "grype": grypeSARIF}[out.Tool]
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
		f, err := read(rule, result.Message.Text)
		if err == nil {
			f, err = checked(f)
		}
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
// The severity is in the rule's tags too; the worse of both holds.
func trivySARIF(rule sarifRule, message string) (Finding, error) {
	said, err := fields(message, "Package", "Installed Version", "Severity", "Fixed Version")
	f := Finding{
		ID: name(rule.ID), Severity: parseSeverity(said["Severity"]), Score: rule.score(),
		Package: Package{Name: name(said["Package"]), Version: name(said["Installed Version"])},
		FixedIn: versions(said["Fixed Version"]), URL: name(rule.HelpURI), Title: title(rule.ShortDescription.Text),
	}
	for _, tag := range rule.Properties.Tags {
		if tagged := (Finding{Severity: parseSeverity(tag)}); tagged.Severity > Unknown && tagged.rank() > f.rank() {
			f.Severity = tagged.Severity
		}
	}
	return f, err
}

// grypeSARIF reads a rule of Grype, one for each vulnerability in a package,
// whose help has a line for each field. The version there is of whichever
// match came first; the message has the result's own.
func grypeSARIF(rule sarifRule, message string) (Finding, error) {
	said, err := fields(rule.Help.Text, "Severity", "Package", "Version", "Fix Version", "Type")
	id, _, _ := strings.Cut(strings.TrimPrefix(rule.Help.Text, "Vulnerability "), "\n")
	f := Finding{
		ID: name(id), Severity: parseSeverity(said["Severity"]), Score: rule.score(),
		Package: Package{Name: name(said["Package"]), Version: name(said["Version"]), Type: name(said["Type"])},
		FixedIn: versions(said["Fix Version"]), Title: title(rule.ShortDescription.Text),
	}
	if _, rest, found := strings.Cut(message, ", version "); found {
		version, _, _ := strings.Cut(rest, " was found")
		f.Package.Version = name(version)
	}
	if len(rule.Properties.PURLs) == 1 && f.Package.Version == name(said["Version"]) {
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
	return f, err
}

func (r sarifRule) score() float64 {
	score, err := strconv.ParseFloat(r.Properties.SecuritySeverity, 64)
	if err != nil || !(score >= 0 && score <= 10) {
		return 0
	}
	return score
}

// fields finds the lines "key: value". Each key must be there once: a name in
// an image may hold a line's end, and with it a field that is not Trivy's or
// Grype's.
func fields(lines string, keys ...string) (map[string]string, error) {
	out := map[string]string{}
	for line := range strings.Lines(lines) {
		key, value, found := strings.Cut(line, ":")
		if !found || !slices.Contains(keys, key) {
			continue
		}
		if _, twice := out[key]; twice {
			return out, problem.New(formats, "SARIF with a finding that has two fields %q", key)
		}
		out[key] = strings.TrimSpace(value)
	}
	for _, key := range keys {
		if _, found := out[key]; !found {
			return out, problem.New(formats, "SARIF with a finding that has no field %q", key)
		}
	}
	return out, nil
}

// versions splits a list of versions.
func versions(list string) []string { return namesOf(strings.Split(list, ",")) }
