package sarif

import (
	"cmp"
	"slices"
)

type taxonomyJSON struct {
	Name             string      `json:"name"`
	Version          string      `json:"version,omitempty"`
	Organization     string      `json:"organization,omitempty"`
	ShortDescription textJSON    `json:"shortDescription"`
	IsComprehensive  bool        `json:"isComprehensive"`
	Taxa             []taxonJSON `json:"taxa,omitempty"`
}

type taxonJSON struct {
	ID               string   `json:"id"`
	ShortDescription textJSON `json:"shortDescription"`
}

// componentJSON refers to a taxonomy of the run.
type componentJSON struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
}

type relationJSON struct {
	Target     targetJSON       `json:"target"`
	Kinds      []string         `json:"kinds"`
	Properties *relationBagJSON `json:"properties,omitempty"`
}

type targetJSON struct {
	ID            string        `json:"id"`
	Index         int           `json:"index"`
	ToolComponent componentJSON `json:"toolComponent"`
}

type relationBagJSON struct {
	Unverified bool `json:"unverified"`
}

// taxa are those of a standard, sorted, each once: SARIF wants them different.
func (t Taxonomy) taxa() []Taxon {
	out := slices.Clone(t.Taxa)
	for i := range out {
		out[i].ID = nonEmpty(out[i].ID, "unknown")
	}
	slices.SortStableFunc(out, func(a, b Taxon) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b Taxon) bool { return a.ID == b.ID })
}

func (t Taxonomy) wire() taxonomyJSON {
	out := taxonomyJSON{
		Name: nonEmpty(t.Name, "unknown"), Version: clean(t.Version), Organization: clean(t.Organization),
		ShortDescription: textJSON{nonEmpty(t.Summary, nonEmpty(t.Name, "unknown"))},
	}
	for _, taxon := range t.taxa() {
		id := nonEmpty(taxon.ID, "unknown")
		out.Taxa = append(out.Taxa, taxonJSON{ID: id, ShortDescription: textJSON{nonEmpty(taxon.Summary, id)}})
	}
	return out
}

// related writes the relations that lead to a taxon of the run; another leads
// nowhere, and is left out.
func related(relations []Relation, taxonomies []Taxonomy) []relationJSON {
	relations = slices.Clone(relations)
	for i, r := range relations {
		relations[i].Taxonomy, relations[i].Taxon = nonEmpty(r.Taxonomy, "unknown"), nonEmpty(r.Taxon, "unknown")
	}
	slices.SortStableFunc(relations, func(a, b Relation) int {
		return cmp.Or(cmp.Compare(a.Taxonomy, b.Taxonomy), cmp.Compare(a.Taxon, b.Taxon))
	})
	var out []relationJSON
	for i, r := range relations {
		at := slices.IndexFunc(taxonomies, func(t Taxonomy) bool { return t.Name == r.Taxonomy })
		if at < 0 || i > 0 && r == relations[i-1] {
			continue
		}
		taxon := slices.IndexFunc(taxonomies[at].taxa(), func(t Taxon) bool { return t.ID == r.Taxon })
		if taxon < 0 {
			continue
		}
		one := relationJSON{
			Target: targetJSON{ID: nonEmpty(r.Taxon, "unknown"), Index: taxon, ToolComponent: componentJSON{nonEmpty(r.Taxonomy, "unknown"), at}},
			Kinds:  []string{"relevant"},
		}
		if r.Unverified {
			one.Properties = &relationBagJSON{true}
		}
		out = append(out, one)
	}
	return out
}
