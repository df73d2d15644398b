package sarif

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

func TestTaxonomies(t *testing.T) {
	run := New("safe-run audit", "1")
	run.Taxonomy(Taxonomy{Name: "B", Taxa: []Taxon{{"2", "two"}, {"1", "one"}, {"1", "again"}}})
	run.Taxonomy(Taxonomy{Name: "A", Version: "1.6", Taxa: []Taxon{{"5.2", "x"}}})
	run.Rule(Rule{ID: "seccomp", Related: []Relation{{"B", "2", true}, {"A", "5.2", false}, {"A", "none", false}, {"C", "1", false}}})
	run.Result(Result{Rule: "seccomp", URI: "pod.yaml", Line: 3, Column: 7, Message: "m"})
	b := encode(t, Log{run})
	if err := validate(schema(t), b); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	var got struct {
		Runs []struct {
			Taxonomies []struct {
				Name string
				Taxa []struct{ ID string }
			}
			Tool struct {
				Driver struct {
					Rules []struct {
						Relationships []struct {
							Target struct {
								ID            string
								Index         int
								ToolComponent struct {
									Name  string
									Index int
								}
							}
							Properties struct{ Unverified bool }
						}
					}
				}
			}
			Results []struct {
				Locations []struct {
					PhysicalLocation struct {
						Region struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	one := got.Runs[0]
	relations := one.Tool.Driver.Rules[0].Relationships
	if len(relations) != 2 {
		t.Fatalf("%d relations, want the two that lead somewhere\n%s", len(relations), b)
	}
	for i, want := range []string{"5.2", "2"} {
		at := relations[i].Target
		taxonomy := one.Taxonomies[at.ToolComponent.Index]
		if at.ID != want || taxonomy.Name != at.ToolComponent.Name || taxonomy.Taxa[at.Index].ID != want {
			t.Errorf("relation %d leads to %+v in %+v, want %s", i, at, taxonomy, want)
		}
	}
	if relations[0].Properties.Unverified || !relations[1].Properties.Unverified {
		t.Errorf("unverified is marked wrongly: %+v", relations)
	}
	if region := one.Results[0].Locations[0].PhysicalLocation.Region; region.StartLine != 3 || region.StartColumn != 7 {
		t.Errorf("the place is %+v", region)
	}
}

// TestAnyTaxonomyIsValid: whatever the texts are, the file is valid.
func TestAnyTaxonomyIsValid(t *testing.T) {
	s := schema(t)
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "b", "\x1b[31m", "\xff"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		r := New("t", "1")
		taxa := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Taxon { return Taxon{text.Draw(t, "id"), text.Draw(t, "s")} }), 0, 4)
		for range 2 {
			r.Taxonomy(Taxonomy{Name: text.Draw(t, "name"), Version: text.Draw(t, "version"), Organization: text.Draw(t, "by"), Taxa: taxa.Draw(t, "taxa")})
		}
		r.Rule(Rule{ID: "r", Related: []Relation{{text.Draw(t, "to"), text.Draw(t, "taxon"), true}, {text.Draw(t, "to"), text.Draw(t, "taxon"), false}}})
		r.Result(Result{Rule: "r", URI: text.Draw(t, "uri"), Line: rapid.IntRange(-2, 9).Draw(t, "line"), Column: rapid.IntRange(-2, 9).Draw(t, "column")})
		var b bytes.Buffer
		if err := r.Encode(&b); err != nil {
			t.Fatal(err)
		}
		if err := validate(s, b.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
	})
}
