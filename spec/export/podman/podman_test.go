package podman

import (
	"testing"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/exporttest"
)

// TestEmptyWord: Quadlet leaves out empty words, which is told; other words it keeps.
func TestEmptyWord(t *testing.T) {
	for _, args := range [][]string{nil, {"serve"}, {"serve", ""}} {
		in := exporttest.Input(exporttest.Profile("web"))
		in.Args = args
		result, err := Export(in)
		if err != nil {
			t.Fatal(err)
		}
		if told := export.Covers(result.Losses, "command"); told != (len(args) == 2) {
			t.Errorf("%q: a loss is told: %v", args, told)
		}
	}
}
