package controls

import (
	"slices"
	"testing"
)

func TestCatalogue(t *testing.T) {
	if len(All()) != 28 {
		t.Fatalf("%d controls, want 28", len(All()))
	}
	keys := map[string]bool{}
	for i, c := range All() {
		if c.Number != i+1 || c.Key == "" || c.Title == "" || c.Does == "" || keys[c.Key] {
			t.Errorf("row %d is %+v", i+1, c)
		}
		keys[c.Key] = true
		if got, ok := ByKey(c.Key); !ok || got.Number != c.Number {
			t.Errorf("ByKey(%q) = %d, %t", c.Key, got.Number, ok)
		}
		seen := map[[2]string]bool{}
		for _, r := range c.References {
			if !slices.ContainsFunc(Standards, func(a About) bool { return a.Standard == r.Standard }) {
				t.Errorf("%s refers to %q, which is no standard", c.Key, r.Standard)
			}
			if r.ID == "" || (r.Standard != PSS && r.Title == "") || (r.Standard == PSS) != (r.Level != "") {
				t.Errorf("%s: %+v is not whole", c.Key, r)
			}
			if at := [2]string{string(r.Standard), r.ID}; seen[at] {
				t.Errorf("%s names %v twice", c.Key, at)
			} else {
				seen[at] = true
			}
		}
	}
	for _, number := range []int{0, -1, 29} {
		if _, ok := Of(number); ok {
			t.Errorf("there is a control %d", number)
		}
	}
}

// TestUnverified holds the marks: what is not verified must not become verified
// by an edit of the table.
func TestUnverified(t *testing.T) {
	want := []string{
		"5 NIST 4.5.2", "11 NIST 4.4.3", "12 NIST 4.4.3", "13 NIST 4.4.3", "13 NSA resource policies", "14 NIST 4.4.3",
		"15 NIST 4.5.5", "16 NIST 4.5.1", "20 NIST 4.5.5", "22 CIS 5.30", "28 NSA audit logging",
	}
	var got []string
	for _, c := range All() {
		for _, r := range c.References {
			if r.Unverified {
				got = append(got, itoa(c.Number)+" "+string(r.Standard)+" "+r.ID)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("unverified are\n%q\nwant\n%q", got, want)
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}
