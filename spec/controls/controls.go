// Package controls is the catalogue of controls as data: the 28 things that a
// profile or a host can do against an attack, and where the standards of the
// field ask for each. Which requirement belongs to which control is this
// project's judgement; a reference whose number or text was not seen in the
// standard itself, or that fits only in part, is marked Unverified. Nothing here
// says that a container conforms to a standard.
package controls

import "slices"

// Standard is one of those that controls refer to.
type Standard string

// The standards.
const (
	CIS  Standard = "CIS"
	NIST Standard = "NIST"
	PSS  Standard = "PSS"
	NSA  Standard = "NSA"
)

// About is what a standard is called, and how far its references were checked.
type About struct {
	Standard Standard `json:"standard"`
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	By       string   `json:"by"`
	// Checked says what the numbers and titles were compared with.
	Checked string `json:"checked"`
}

// Standards are all there are, in the order of columns.
var Standards = []About{
	{CIS, "CIS Docker Benchmark", "1.6", "Center for Internet Security",
		"numbers and titles were compared with docker-bench-security and with aquasecurity's cfg/cis-1.6.0; 1.7 and 1.8 were not verified"},
	{NIST, "NIST SP 800-190 section 4", "2017", "National Institute of Standards and Technology",
		"numbers and texts were compared with a transcription, not with the publication"},
	{PSS, "Kubernetes Pod Security Standards", "1.36", "Kubernetes",
		"the ids of k8s.io/pod-security-admission v0.36.6"},
	{NSA, "Kubernetes Hardening Guidance", "1.2", "NSA and CISA",
		"the guidance has no numbers of controls that could be found: names are topics of its sections, through secondary sources; T-n are ids of Trivy's k8s-nsa-1.0, by their titles"},
}

// Reference is one requirement of a standard.
type Reference struct {
	Standard Standard `json:"standard"`
	// ID is the requirement's number or name in the standard.
	ID    string `json:"id"`
	Title string `json:"title,omitempty"`
	// Level is baseline or restricted, of Pod Security Standards.
	Level string `json:"level,omitempty"`
	// Unverified: the number, the text or the fit was not verified.
	Unverified bool `json:"unverified,omitempty"`
}

// Control is one row.
type Control struct {
	Number int    `json:"number"`
	Key    string `json:"key"`
	Title  string `json:"title"`
	// Does is what it does against whom, in a sentence.
	Does       string      `json:"does"`
	References []Reference `json:"references"`
}

// All gives the catalogue by number, which begins with 1.
func All() []Control { return slices.Clone(catalogue) }

// Of gives a control by its number.
func Of(number int) (Control, bool) {
	if number < 1 || number > len(catalogue) {
		return Control{}, false
	}
	return catalogue[number-1], true
}

// ByKey gives a control by its key.
func ByKey(key string) (Control, bool) {
	i := slices.IndexFunc(catalogue, func(c Control) bool { return c.Key == key })
	if i < 0 {
		return Control{}, false
	}
	return catalogue[i], true
}

// To are the references to a standard.
func (c Control) To(s Standard) []Reference {
	var out []Reference
	for _, r := range c.References {
		if r.Standard == s {
			out = append(out, r)
		}
	}
	return out
}
