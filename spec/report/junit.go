package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/battery"
)

// The types of JUnit's XML as CI systems read it: attributes and elements of the
// format that Jenkins and GitLab describe, and no others.
type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Suites   []suite  `xml:"testsuite"`
}

type suite struct {
	Name      string       `xml:"name,attr"`
	Tests     int          `xml:"tests,attr"`
	Failures  int          `xml:"failures,attr"`
	Errors    int          `xml:"errors,attr"`
	Skipped   int          `xml:"skipped,attr"`
	Time      string       `xml:"time,attr,omitempty"`
	Timestamp string       `xml:"timestamp,attr,omitempty"`
	Cases     []testcase   `xml:"testcase"`
	Err       *systemLines `xml:"system-err"`
}

type testcase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Time    string       `xml:"time,attr,omitempty"`
	Failure *outcome     `xml:"failure"`
	Error   *outcome     `xml:"error"`
	Skipped *outcome     `xml:"skipped"`
	Out     *systemLines `xml:"system-out"`
}

type outcome struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

type systemLines struct {
	Text string `xml:",chardata"`
}

// add counts a case in.
func (s *suite) add(c testcase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func (s *suites) add(one suite) {
	s.Tests += one.Tests
	s.Failures += one.Failures
	s.Errors += one.Errors
	s.Suites = append(s.Suites, one)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func (a Attacks) junit() suites {
	out := suites{Name: "safe-run verify"}
	for i, r := range a.Reports {
		one := suite{Name: a.nameOf(i), Time: seconds(r.Took)}
		if !r.Began.IsZero() {
			one.Timestamp = r.Began.UTC().Format("2006-01-02T15:04:05")
		}
		for _, result := range r.Results {
			one.add(a.testcase(r, result))
		}
		if r.Partial != "" {
			// A run that was cut short must not look like one that passed.
			one.add(testcase{Class: "safe-run.verify", Name: "the battery runs to its end", Error: &outcome{Message: line(r.Partial), Type: "partial"}})
		}
		out.add(one)
	}
	return out
}

func (a Attacks) testcase(r battery.Report, result battery.Result) testcase {
	probe := a.probe(result.ID)
	c := testcase{Class: line("safe-run.verify." + r.Runtime), Name: line(result.ID + " " + probe.Title), Time: seconds(result.Took)}
	detail := strings.TrimSpace(refusal(result) + " " + held(result))
	said := &outcome{Message: line(detail), Type: line(string(result.Verdict)), Text: line(result.Detail)}
	switch {
	case result.Wrong != "":
		said.Message = line(result.Wrong)
		c.Failure = said
	case result.Verdict == battery.Allowed && result.Exception == "":
		said.Message = "the attack succeeds"
		c.Failure = said
	case result.Verdict == battery.Allowed:
		c.Out = &systemLines{line("allowed on purpose: " + result.Exception)}
	case result.Verdict == battery.Blocked:
		c.Out = &systemLines{line(strings.TrimSpace("blocked: " + detail + " " + result.Detail))}
	case result.Verdict == battery.Missing:
		c.Skipped = &outcome{Message: "the kernel does not have it"}
	case result.Verdict == battery.NotRun:
		c.Skipped = &outcome{Message: line("not run: " + result.Detail)}
	default:
		said.Message = line("no result: " + result.Detail)
		c.Error = said
	}
	return c
}

func (f Findings) junit() suites {
	out := suites{Name: "safe-run " + f.Kind}
	one := suite{Name: line(f.Subject)}
	for _, finding := range f.Findings {
		name := finding.Rule + " " + finding.Title
		if finding.Subject != "" {
			name += " [" + finding.Subject + "]"
		}
		c := testcase{Class: "safe-run." + f.Kind, Name: line(name)}
		switch finding.Verdict {
		case audit.Violated:
			c.Failure = &outcome{Message: line(finding.What), Type: finding.Severity.String(),
				Text: strings.Join([]string{line(finding.Where.String()), line(finding.Why), "mend: " + line(finding.Mend)}, "\n")}
		case audit.Holds:
			c.Out = &systemLines{line(finding.What)}
		default:
			c.Skipped = &outcome{Message: line("cannot tell: " + finding.What)}
		}
		one.add(c)
	}
	if len(f.Warnings) > 0 {
		one.Err = &systemLines{joined(f.Warnings, "\n")}
	}
	out.add(one)
	return out
}

func writeJUnit(w io.Writer, s suites) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
