package cli

import (
	"bytes"
	"testing"
)

// TestOnly: a verb that is declared alone is the one in the tree of all.
func TestOnly(t *testing.T) {
	alone := 0
	for _, verb := range verbs {
		help := func(a *app) (string, int) {
			var out bytes.Buffer
			a.format = formatTable
			root := a.root()
			root.SetOut(&out)
			root.SetArgs([]string{verb, "--help"})
			if err := root.Execute(); err != nil {
				t.Errorf("%s --help: %v", verb, err)
			}
			return out.String(), len(root.Commands())
		}
		a := &app{verb: verb}
		if a.only() == nil {
			continue
		}
		alone++
		own, n := help(a)
		all, _ := help(&app{})
		if own != all || own == "" {
			t.Errorf("%s --help differs:\n%s\nfrom that with all verbs:\n%s", verb, own, all)
		}
		if n > 2 { // itself and help
			t.Errorf("%s is declared with %d others", verb, n-1)
		}
	}
	if (&app{verb: runVerb}).only() == nil || alone < 5 {
		t.Error("a launch declares every verb")
	}
}
