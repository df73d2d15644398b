package pull

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// TestThousandLayers: more than the kernel stacks are refused before any is
// unpacked, with what to do. More than other engines stack are not.
func TestThousandLayers(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	made := imagetest.New(spec.ImageConfig{}, imagetest.Files{"a": {Content: "x"}})
	must(t, made.Tall(filepath.Join(dir, "many"), 999))
	_, err := Pull(t.Context(), "oci:"+filepath.Join(dir, "many"), Options{Store: store})
	assertMendable(t, err, true, "more than 499 layers")
	if hint := problem.HintOf(err); !strings.Contains(hint, "build it with fewer") {
		t.Errorf("hint: %s", hint)
	}
	unpacked, err := filepath.Glob(filepath.Join(store, "layers", "*"))
	if err != nil || len(unpacked) > 0 {
		t.Errorf("%d layers were unpacked (%v)", len(unpacked), err)
	}
	must(t, made.Tall(filepath.Join(dir, "some"), 129))
	_, err = Pull(t.Context(), "oci:"+filepath.Join(dir, "some"), Options{Store: store})
	must(t, err)
}
