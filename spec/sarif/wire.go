package sarif

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const schemaURI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// fingerprintName is raised when what fingerprints are made of changes.
const fingerprintName = "safeRun/v1"

// The types below are the wire: field for field SARIF's own, less what is not
// written here.

type logJSON struct {
	Schema  string    `json:"$schema"`
	Version string    `json:"version"`
	Runs    []runJSON `json:"runs"`
}

type runJSON struct {
	Tool       toolJSON          `json:"tool"`
	Taxonomies []taxonomyJSON    `json:"taxonomies,omitempty"`
	Results    []resultJSON      `json:"results"`
	Properties map[string]string `json:"properties,omitempty"`
}

type toolJSON struct {
	Driver driverJSON `json:"driver"`
}

type driverJSON struct {
	Name                string          `json:"name"`
	Version             string          `json:"version,omitempty"`
	InformationURI      string          `json:"informationUri,omitempty"`
	SupportedTaxonomies []componentJSON `json:"supportedTaxonomies,omitempty"`
	Rules               []ruleJSON      `json:"rules"`
}

type ruleJSON struct {
	ID                   string            `json:"id"`
	Name                 string            `json:"name,omitempty"`
	ShortDescription     textJSON          `json:"shortDescription"`
	Help                 *textJSON         `json:"help,omitempty"`
	HelpURI              string            `json:"helpUri,omitempty"`
	DefaultConfiguration configurationJSON `json:"defaultConfiguration"`
	Relationships        []relationJSON    `json:"relationships,omitempty"`
	Properties           *ruleBagJSON      `json:"properties,omitempty"`
}

type configurationJSON struct {
	Level Level `json:"level"`
}

type ruleBagJSON struct {
	SecuritySeverity string   `json:"security-severity,omitempty"`
	Tags             []string `json:"tags,omitempty"`
}

type textJSON struct {
	Text string `json:"text"`
}

type resultJSON struct {
	RuleID              string            `json:"ruleId"`
	RuleIndex           int               `json:"ruleIndex"`
	Level               Level             `json:"level"`
	Message             textJSON          `json:"message"`
	Locations           []locationJSON    `json:"locations,omitempty"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
	Suppressions        []suppressionJSON `json:"suppressions,omitempty"`
	Properties          map[string]string `json:"properties,omitempty"`
}

type locationJSON struct {
	PhysicalLocation *physicalJSON `json:"physicalLocation,omitempty"`
	LogicalLocations []logicalJSON `json:"logicalLocations,omitempty"`
}

type physicalJSON struct {
	ArtifactLocation struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
	Region *regionJSON `json:"region,omitempty"`
}

type regionJSON struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn,omitempty"`
}

type logicalJSON struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
}

type suppressionJSON struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

func (r Rule) wire(taxonomies []Taxonomy) ruleJSON {
	out := ruleJSON{
		ID: nonEmpty(r.ID, "unknown"), Name: clean(r.Name), HelpURI: webURI(r.URL),
		ShortDescription:     textJSON{nonEmpty(r.Summary, nonEmpty(r.ID, "unknown"))},
		DefaultConfiguration: configurationJSON{r.Level.known(Warning)},
	}
	if r.Help != "" {
		out.Help = &textJSON{clean(r.Help)}
	}
	out.Relationships = related(r.Related, taxonomies)
	var bag ruleBagJSON
	if r.Score > 0 && r.Score <= 10 {
		bag.SecuritySeverity = strconv.FormatFloat(r.Score, 'f', 1, 64)
	}
	for _, tag := range r.Tags {
		bag.Tags = append(bag.Tags, clean(tag))
	}
	slices.Sort(bag.Tags)
	bag.Tags = slices.Compact(bag.Tags) // SARIF wants them different
	if bag.SecuritySeverity != "" || bag.Tags != nil {
		out.Properties = &bag
	}
	return out
}

func (r Result) wire(level Level, index int) resultJSON {
	out := resultJSON{
		RuleID: nonEmpty(r.Rule, "unknown"), RuleIndex: index, Level: r.Level.known(level.known(Warning)),
		Message:             textJSON{nonEmpty(r.Message, nonEmpty(r.Rule, "unknown"))},
		PartialFingerprints: map[string]string{fingerprintName: r.fingerprint()},
		Properties:          texts(r.Properties),
	}
	var at locationJSON
	if uri := reference(r.URI); uri != "" {
		at.PhysicalLocation = &physicalJSON{}
		at.PhysicalLocation.ArtifactLocation.URI = uri
		if r.Line > 0 {
			at.PhysicalLocation.Region = &regionJSON{r.Line, max(r.Column, 0)}
		}
	}
	if r.Logical != "" {
		at.LogicalLocations = []logicalJSON{{clean(r.Logical)}}
	}
	if at.PhysicalLocation != nil || at.LogicalLocations != nil {
		out.Locations = []locationJSON{at}
	}
	if r.Suppressed != "" {
		out.Suppressions = []suppressionJSON{{Kind: "external", Justification: clean(r.Suppressed)}}
	}
	return out
}

func (r Result) fingerprint() string {
	if r.Fingerprint != "" {
		return clean(r.Fingerprint)
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{r.Rule, r.URI, r.Logical}, "\x00")))
	return hex.EncodeToString(sum[:])
}

func (l Level) known(otherwise Level) Level {
	switch l {
	case Error, Warning, Note, None:
		return l
	}
	return otherwise
}

// webURI is s when it is a whole address of the web, and else empty.
func webURI(s string) string {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || clean(s) != s {
		return ""
	}
	return u.String()
}

// reference is s as a URI reference: what is not one is taken for a path.
func reference(s string) string {
	s = clean(s)
	if strings.HasPrefix(s, "pkg:") || strings.HasPrefix(s, "file:///") {
		if u, err := url.Parse(s); err == nil {
			return u.String()
		}
	}
	return (&url.URL{Path: strings.TrimLeft(s, "/")}).String()
}

// clean makes text from outside fit to be shown: what neither prints nor is a
// line's end or a tab becomes a question mark.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) || c == '\n' || c == '\t' {
			return c
		}
		return '?'
	}, strings.ToValidUTF8(s, "?"))
}

func nonEmpty(s, otherwise string) string {
	if s = clean(s); s != "" {
		return s
	}
	return otherwise
}

func texts(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[clean(k)] = clean(v)
	}
	return out
}
