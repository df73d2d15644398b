package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/severity"
)

var update = flag.Bool("update", false, "write the golden files")

func probes() []battery.Probe {
	return []battery.Probe{
		{ID: "M01", Title: "mount a tmpfs on a directory of its own", Technique: "mount(2)", Harmless: "in a mount namespace of its own, undone", Controls: []int{1, 2}, Critical: true, Reference: "CDK mount-*",
			Layers: []battery.Stop{{Layer: battery.Seccomp, Errnos: []string{"EPERM"}}, {Layer: battery.Capabilities, Errnos: []string{"EPERM"}}}},
		{ID: "M07", Title: "chroot to /", Controls: []int{1, 2}},
		{ID: "X05", Title: "make an io_uring", Controls: []int{1}},
		{ID: "X12", Title: "execute what has no file", Controls: []int{24}},
		{ID: "N10", Title: "netlink route socket", Controls: []int{1}},
		{ID: "F01", Title: "open the kernel's memory", Controls: []int{16}},
		{ID: "R01", Title: "256 children", Controls: []int{13}, Limits: true},
		{ID: "R02", Title: "memory beyond the limit", Controls: []int{11}, Limits: true},
	}
}

func sample() Attacks {
	ours := battery.Report{
		Profile: "web", Image: "busybox", Runtime: "safe-run", Version: "1.2.3", Kernel: "6.18.0", Where: "host",
		Facts: map[string]string{"cgroup": "v1"}, Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: 3210 * time.Millisecond,
		Results: []battery.Result{
			{ID: "M01", Verdict: battery.Blocked, Errno: "EPERM", Predicted: []battery.Layer{battery.Seccomp, battery.Capabilities}, Observed: battery.Seccomp, Independent: []battery.Layer{battery.Seccomp, battery.Capabilities}, Effect: true, Took: 3 * time.Millisecond},
			{ID: "M07", Verdict: battery.Blocked, Errno: "EPERM", Predicted: []battery.Layer{battery.Seccomp}, Observed: battery.Capabilities, Wrong: "seccomp was predicted, and capabilities stopped it"},
			{ID: "X05", Verdict: battery.Blocked, Errno: "ENOSYS", Predicted: []battery.Layer{battery.Seccomp, battery.Guard}, Observed: battery.Seccomp, Independent: []battery.Layer{battery.Seccomp}, Concluded: []battery.Layer{battery.Guard}},
			{ID: "X12", Verdict: battery.Allowed, Detail: "exit 0"},
			{ID: "N10", Verdict: battery.Allowed, Exception: "the resolver of Go asks for routes"},
			{ID: "F01", Verdict: battery.Missing},
			{ID: "R01", Verdict: battery.NotRun, Detail: "no pids controller"},
			{ID: "R02", Verdict: battery.Error, Detail: "no answer within 10s"},
		},
	}
	theirs := battery.Report{Runtime: "runc", Version: "1.1.5", Kernel: "6.18.0", Where: "host", Partial: "it was interrupted", Results: []battery.Result{
		{ID: "M01", Verdict: battery.Blocked, Errno: "EPERM", Observed: battery.Capabilities, Inferred: true},
		{ID: "X05", Verdict: battery.Allowed},
		{ID: "Z99", Verdict: battery.Allowed, Detail: "<script>alert(1)</script>\x1b[2J"},
	}}
	return Attacks{Probes: probes(), Reports: []battery.Report{ours, theirs}}
}

func findings() Findings {
	return Findings{
		Kind: "audit", Subject: "pod.yaml", Warnings: []string{`pod.yaml:9:3: unknown field "spec.containers[0].privleged"`},
		Notes: []Note{{Subject: "Pod/web", Name: "Pod Security Standards", Value: "privileged"}},
		Findings: []audit.Finding{
			{Rule: "seccomp", Title: "seccomp allow-list", Controls: []int{1}, Verdict: audit.Holds, What: "RuntimeDefault"},
			{Rule: "capabilities", Title: "drop all capabilities", Controls: []int{2}, Verdict: audit.Violated, Severity: severity.Critical, Subject: "Pod/web, container app",
				Where: audit.Place{Source: "pod.yaml", Line: 12, Column: 7, Path: "spec.containers[0].securityContext.privileged"}, What: "it is privileged", Why: "a privileged container is the host's root", Mend: "remove privileged: true"},
			{Rule: "memory", Title: "memory limit", Controls: []int{11}, Verdict: audit.Violated, Severity: severity.Medium, What: "there is no memory limit", Mend: "set resources.limits.memory"},
			{Rule: "runtime-floor", Title: "runtime floor", Controls: []int{27}, Verdict: audit.CannotTell, What: "the node decides"},
		},
	}
}

func write(t testing.TB, d Document, look Look) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, d, look); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestGolden(t *testing.T) {
	alone := sample()
	alone.Reports = alone.Reports[:1]
	for name, d := range map[string]Document{"attacks": sample(), "alone": alone, "findings": findings(), "none": Attacks{}, "nothing": Findings{Kind: "doctor", Subject: "this host"}} {
		for file, look := range map[string]Look{
			name + ".txt": {Format: Table}, name + "-verbose.txt": {Format: Table, Verbose: true, Width: 80}, name + ".json": {Format: JSON},
			name + ".xml": {Format: JUnit}, name + ".sarif": {Format: SARIF}, name + ".html": {Format: HTML},
		} {
			look.Version = "1.2.3"
			got := write(t, d, look)
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("%s (-want +got):\n%s", file, d)
			}
		}
	}
}

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile("../sarif/testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSARIFIsValid(t *testing.T) {
	s := schema(t)
	for _, d := range []Document{sample(), findings(), Attacks{}, Findings{}} {
		b := write(t, d, Look{Format: SARIF, Version: "1"})
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err == nil {
			err = s.Validate(doc)
		}
		if err != nil {
			t.Errorf("%v\n%s", err, b)
		}
		if strings.Contains(strings.ToLower(string(b)), "compliant") {
			t.Error("a report claims that something is compliant")
		}
	}
}

// TestColoursOnlyWhenAsked: a file of text has no escape sequences, and a
// terminal has.
func TestColoursOnlyWhenAsked(t *testing.T) {
	if b := write(t, sample(), Look{Verbose: true}); bytes.ContainsRune(b, '\x1b') {
		t.Error("escape sequences without colours")
	}
	if b := write(t, sample(), Look{Colour: true}); !bytes.ContainsRune(b, '\x1b') {
		t.Error("no escape sequences with colours")
	}
}

func TestPassed(t *testing.T) {
	good := battery.Report{Results: []battery.Result{{ID: "M01", Verdict: battery.Blocked}, {ID: "F01", Verdict: battery.Missing}, {ID: "N10", Verdict: battery.Allowed, Exception: "why"}}}
	if !passed(good) {
		t.Error("what is blocked, absent or allowed on purpose has not passed")
	}
	for name, change := range map[string]func(*battery.Report){
		"allowed": func(r *battery.Report) { r.Results[0].Verdict = battery.Allowed },
		"error":   func(r *battery.Report) { r.Results[0].Verdict = battery.Error },
		"no word": func(r *battery.Report) { r.Results[0].Verdict = "fine" },
		"wrong":   func(r *battery.Report) { r.Results[0].Wrong = "another layer" },
		"partial": func(r *battery.Report) { r.Partial = "interrupted" },
		"nothing": func(r *battery.Report) { r.Results = nil },
	} {
		bad := good
		bad.Results = append([]battery.Result(nil), good.Results...)
		change(&bad)
		if passed(bad) {
			t.Errorf("%s has passed", name)
		}
	}
}

var hostile = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
	"", "</script><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "]]>", "<!--", "--><b>", "\x1b[2J\x1b]0;x\a", "\u202egpj", "a\nFORGED  line",
	"\x00", "\xff\xfe", "{{.}}", "&lt;", "' onmouseover='x", "\u2028", "javascript:alert(1)", "PASSED", strings.Repeat("A", 9000),
}))

// anyAttacks draws reports whose every text is hostile.
func anyAttacks(t *rapid.T) Attacks {
	text := func(name string) string { return hostile.Draw(t, name) }
	verdicts := rapid.SampledFrom([]battery.Verdict{battery.Blocked, battery.Allowed, battery.Missing, battery.NotRun, battery.Error, "<b>"})
	var a Attacks
	a.Probes = []battery.Probe{{ID: "M01", Title: text("title"), Technique: text("technique"), Harmless: text("harmless"), Reference: text("reference"), Controls: []int{1, 99, -1}}}
	for range rapid.IntRange(1, 3).Draw(t, "reports") {
		r := battery.Report{Profile: text("profile"), Image: text("image"), Runtime: text("runtime"), Version: text("version"), Kernel: text("kernel"), Where: text("where"), Partial: text("partial"), Facts: map[string]string{text("fact"): text("value")}}
		for range rapid.IntRange(0, 3).Draw(t, "results") {
			r.Results = append(r.Results, battery.Result{
				ID: rapid.OneOf(rapid.Just("M01"), hostile).Draw(t, "id"), Verdict: verdicts.Draw(t, "verdict"), Errno: text("errno"), Signal: text("signal"), Detail: text("detail"),
				Predicted: []battery.Layer{battery.Layer(text("layer"))}, Observed: battery.Layer(text("observed")), Exception: text("exception"), Wrong: text("wrong"),
			})
		}
		a.Reports = append(a.Reports, r)
	}
	return a
}

func anyFindings(t *rapid.T) Findings {
	text := func(name string) string { return hostile.Draw(t, name) }
	f := Findings{Kind: "audit", Subject: text("subject"), Warnings: []string{text("warning")}, Notes: []Note{{text("s"), text("n"), text("v")}}}
	for _, verdict := range []audit.Verdict{audit.Violated, audit.Holds, audit.CannotTell, "x"} {
		f.Findings = append(f.Findings, audit.Finding{Rule: text("rule"), Title: text("title"), Controls: []int{1, 0, 77}, Verdict: verdict, Severity: severity.Severity(rapid.IntRange(-1, 7).Draw(t, "severity")),
			Subject: text("container"), Where: audit.Place{Source: text("source"), Line: rapid.IntRange(-1, 3).Draw(t, "line"), Path: text("path")}, What: text("what"), Why: text("why"), Mend: text("mend")})
	}
	return f
}

// TestHostileTextStaysText: whatever a container writes into its results, no
// format is broken by it, and nothing reaches a terminal that is no text.
func TestHostileTextStaysText(t *testing.T) {
	s := schema(t)
	rapid.Check(t, func(t *rapid.T) {
		documents := []Document{anyAttacks(t), anyFindings(t)}
		for _, d := range documents {
			for _, format := range Formats() {
				var out bytes.Buffer
				if err := Write(&out, d, Look{Format: Format(format), Verbose: true}); err != nil {
					t.Fatal(err)
				}
				if err := sound(s, Format(format), out.Bytes()); err != "" {
					t.Fatalf("%s: %s\n%s", format, err, out.Bytes())
				}
			}
		}
	})
}

// sound says what is wrong with a report in a format.
func sound(s *jsonschema.Schema, format Format, b []byte) string {
	switch format {
	case Table:
		for _, c := range string(b) {
			if c != '\n' && !unicode.IsPrint(c) {
				return "an unprintable character"
			}
		}
		for l := range strings.Lines(string(b)) {
			if strings.HasPrefix(l, "FORGED") {
				return "a forged line"
			}
		}
	case JSON:
		if !json.Valid(b) || bytes.ContainsAny(b, "<>\x1b") {
			return "no JSON, or with markup in it"
		}
	case JUnit:
		d := xml.NewDecoder(bytes.NewReader(b))
		for {
			token, err := d.Token()
			if err == io.EOF {
				return ""
			}
			if err != nil {
				return err.Error()
			}
			if e, ok := token.(xml.StartElement); ok && !strings.Contains(" testsuites testsuite testcase failure error skipped system-out system-err ", " "+e.Name.Local+" ") {
				return "an element " + e.Name.Local
			}
		}
	case SARIF:
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err == nil {
			err = s.Validate(doc)
		}
		if err != nil {
			return err.Error()
		}
	case HTML:
		return soundHTML(b)
	}
	return ""
}

// elements are those that the page has; hostile text must bring no other.
const elements = " html head meta title style body main header h1 h2 h3 div span p section table caption thead tbody tr th td code details summary dl dt dd article strong footer "

func soundHTML(b []byte) string {
	root, err := html.Parse(bytes.NewReader(b))
	if err != nil {
		return err.Error()
	}
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			if !strings.Contains(elements, " "+n.Data+" ") {
				return "an element " + n.Data
			}
			for _, attr := range n.Attr {
				if strings.HasPrefix(attr.Key, "on") || attr.Key == "src" || attr.Key == "href" || attr.Key == "style" && !strings.HasPrefix(attr.Val, "display:block;width:") {
					return "an attribute " + attr.Key + "=" + attr.Val
				}
			}
		case html.CommentNode:
			return "a comment"
		}
	}
	return ""
}

func TestUnknownFormat(t *testing.T) {
	if err := Write(io.Discard, sample(), Look{Format: "yaml"}); err == nil {
		t.Error("a format that there is not was written")
	}
}
