package diff

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestUnified(t *testing.T) {
	before := "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n"
	after := "a\nb\nc\nD\ne\nf\ng\nh\ni\nj\nk\nl\nm"
	want := `--- old
+++ new
@@ -1,7 +1,7 @@
 a
 b
 c
-d
+D
 e
 f
 g
@@ -10,3 +10,4 @@
 j
 k
 l
+m
\ No newline at end of file
`
	if got := Unified("old", "new", []byte(before), []byte(after)); got != want {
		t.Errorf("%s", got)
	}
	if got := Unified("a", "b", []byte("x\n"), []byte("x\n")); got != "" {
		t.Errorf("%q", got)
	}
	if got := Unified("/dev/null", "b", nil, []byte("x\x1b[2J\n")); got != "--- /dev/null\n+++ b\n@@ -0,0 +1,1 @@\n+x\uFFFD[2J\n" {
		t.Errorf("%q", got)
	}
}

// TestEditsAreBoth: what was taken out and what stayed is the old text, what was
// put in and what stayed the new one, and nothing is shown twice.
func TestEditsAreBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 40)
		a, b := lines.Draw(t, "a"), lines.Draw(t, "b")
		var old, new []string
		edits := compare(a, b)
		for _, e := range edits {
			if e.old != len(old) || e.new != len(new) {
				t.Fatalf("%+v at %d and %d", e, len(old), len(new))
			}
			if e.kind != '+' {
				old = append(old, e.line)
			}
			if e.kind != '-' {
				new = append(new, e.line)
			}
		}
		if !slices.Equal(old, a) || !slices.Equal(new, b) {
			t.Fatalf("%v %v", old, new)
		}
		changed := 0
		for _, h := range group(edits) {
			for _, e := range h {
				if e.kind != ' ' {
					changed++
				}
			}
		}
		for _, e := range edits {
			if e.kind != ' ' {
				changed--
			}
		}
		if changed != 0 {
			t.Fatalf("%d changes are missing, or there twice", -changed)
		}
	})
}

// TestFarApart: texts that have nothing in common take no time.
func TestFarApart(t *testing.T) {
	a, b := strings.Repeat("a\n", 50000), strings.Repeat("b\n", 50000)
	if got := Unified("a", "b", []byte(a), []byte(b)); strings.Count(got, "\n-a")+strings.Count(got, "\n+b") != 100000 {
		t.Error("not all lines are there")
	}
}

func FuzzUnified(f *testing.F) {
	f.Add([]byte("a\nb\n"), []byte("b\nc"))
	f.Add([]byte(""), []byte("\n\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if got := Unified("a", "b", a, b); (got == "") != (string(a) == string(b)) {
			t.Errorf("%q %q: %q", a, b, got)
		}
	})
}
