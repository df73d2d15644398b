// Package sarif writes SARIF 2.1.0, the format in which code hosts and editors
// take findings. It holds the part that findings about an image, a configuration
// or a sandbox need. The same findings give the same bytes, in whatever order they were added.
package sarif

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"slices"
)

// Level is how bad a result is.
type Level string

// The levels of SARIF.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Note    Level = "note"
	None    Level = "none"
)

// Rule is what results are instances of: a vulnerability, a check.
type Rule struct {
	ID      string // "CVE-2099-0001", "image-runs-as-root"
	Name    string // in one word; may be empty
	Summary string // one line; the id when empty
	Help    string // what to do about it; may be empty
	URL     string // http or https; anything else is left out
	Level   Level  // of a result that has none
	// Score is CVSS's, from 0 to 10, by which code hosts sort; 0 is none.
	Score float64
	Tags  []string
	// Related are requirements of standards that the rule has to do with.
	Related []Relation
}

// Relation leads from a rule to a taxon of a Taxonomy of the same run.
type Relation struct {
	Taxonomy, Taxon string
	// Unverified: nobody compared it with the standard itself.
	Unverified bool
}

// Taxonomy is a standard and those of its requirements that are referred to. A
// rule that leads to a taxon says that it has to do with it, and nothing about
// whether anything conforms to the standard.
type Taxonomy struct {
	Name, Version, Organization, Summary string
	Taxa                                 []Taxon
}

// Taxon is one requirement.
type Taxon struct{ ID, Summary string }

// Result is one finding.
type Result struct {
	Rule    string // a Rule's ID; a rule that was not added is added, without words
	Level   Level  // the rule's when empty
	Message string
	// URI names what was looked at, as a relative path or a URI: "etc/shadow",
	// "pkg:oci/app@sha256:...".
	URI string
	// Logical names a place that is no file: "curl@7.88", "config.User".
	Logical string
	// Line and Column are places in URI, from 1 on; 0 is unknown.
	Line, Column int
	// Fingerprint says from run to run which result this is; one is made of
	// Rule, URI and Logical when empty.
	Fingerprint string
	Properties  map[string]string
	// Suppressed says why the result does not count; empty: it does.
	Suppressed string
}

// Run is what one tool found in one go.
type Run struct {
	// URL is the tool's home; http or https.
	URL string
	// Properties are of the whole run: what it looked at.
	Properties map[string]string

	tool, version string
	rules         map[string]Rule
	results       []Result
	taxonomies    []Taxonomy
}

// New makes an empty run of a tool.
func New(tool, version string) *Run {
	return &Run{tool: tool, version: version, rules: map[string]Rule{}}
}

// Rule adds a rule. The first of an id is kept.
func (r *Run) Rule(rule Rule) {
	rule.ID = nonEmpty(rule.ID, "unknown") // before they are compared: SARIF wants them different
	if _, there := r.rules[rule.ID]; !there {
		r.rules[rule.ID] = rule
	}
}

// Taxonomy adds a standard. The first of a name is kept.
func (r *Run) Taxonomy(t Taxonomy) {
	t.Name = nonEmpty(t.Name, "unknown")
	if !slices.ContainsFunc(r.taxonomies, func(other Taxonomy) bool { return other.Name == t.Name }) {
		r.taxonomies = append(r.taxonomies, t)
	}
}

// Result adds a result.
func (r *Run) Result(result Result) {
	result.Rule = nonEmpty(result.Rule, "unknown")
	r.Rule(Rule{ID: result.Rule, Level: result.Level})
	r.results = append(r.results, result)
}

// Encode writes the run as a log of its own.
func (r *Run) Encode(w io.Writer) error { return Log{r}.Encode(w) }

// Log is the runs of one file.
type Log []*Run

// Encode writes the log as indented JSON.
func (l Log) Encode(w io.Writer) error {
	out := logJSON{Schema: schemaURI, Version: "2.1.0", Runs: []runJSON{}}
	for _, r := range l {
		out.Runs = append(out.Runs, r.wire())
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	return e.Encode(out)
}

// wire is the run as it is written.
func (r *Run) wire() runJSON {
	out := runJSON{
		Tool: toolJSON{Driver: driverJSON{
			Name: nonEmpty(r.tool, "unknown"), Version: clean(r.version), InformationURI: webURI(r.URL), Rules: []ruleJSON{},
		}},
		Results:    []resultJSON{},
		Properties: texts(r.Properties),
	}
	taxonomies := slices.SortedFunc(slices.Values(r.taxonomies), func(a, b Taxonomy) int { return cmp.Compare(a.Name, b.Name) })
	for i, t := range taxonomies {
		out.Taxonomies = append(out.Taxonomies, t.wire())
		out.Tool.Driver.SupportedTaxonomies = append(out.Tool.Driver.SupportedTaxonomies, componentJSON{nonEmpty(t.Name, "unknown"), i})
	}
	index := map[string]int{}
	for i, id := range slices.Sorted(maps.Keys(r.rules)) {
		out.Tool.Driver.Rules = append(out.Tool.Driver.Rules, r.rules[id].wire(taxonomies))
		index[id] = i
	}
	results := slices.Clone(r.results)
	slices.SortStableFunc(results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.URI, b.URI), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Logical, b.Logical),
			cmp.Compare(a.Message, b.Message), cmp.Compare(a.Fingerprint, b.Fingerprint), cmp.Compare(a.Suppressed, b.Suppressed))
	})
	for _, result := range results {
		out.Results = append(out.Results, result.wire(r.rules[result.Rule].Level, index[result.Rule]))
	}
	return out
}
