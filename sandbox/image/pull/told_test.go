package pull

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// TestScanHint: who has a report learns what is wrong with it, not where to get
// a scanner.
func TestScanHint(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range []struct {
		reported bool
		hint     string
	}{{true, "scan again"}, {false, "install one of them"}} {
		checked := &Checked{pending: problem.New("scan again", "the report is too old"), reported: c.reported}
		err := new(puller).scan(t.Context(), nil, checked)
		if err == nil || !strings.Contains(err.Error(), "too old; neither trivy nor grype") || !strings.HasPrefix(problem.HintOf(err), c.hint) {
			t.Errorf("reported %v: %v, hint %q; want %q", c.reported, err, problem.HintOf(err), c.hint)
		}
	}
}

// TestLayerOnce: which layer it is of is said once.
func TestLayerOnce(t *testing.T) {
	s := &stack{layers: make([]source.Layer, 2)}
	cause := errors.New("sha256:ab, at byte 5 of 9: gone")
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("layer %w", cause), "layer 2 of 2: sha256:ab, at byte 5 of 9: gone"},
		{problem.New("hint", "the layer %w", cause), "layer 2 of 2: sha256:ab, at byte 5 of 9: gone"},
		{errors.New("the layer is damaged"), "layer 2 of 2: it is damaged"},
		{errors.New("its file x is odd"), "layer 2 of 2: its file x is odd"},
	} {
		got := s.at(1, c.err)
		if got.Error() != c.want || problem.HintOf(got) != problem.HintOf(c.err) || !errors.Is(got, c.err) {
			t.Errorf("%v became %v, hint %q; want %s", c.err, got, problem.HintOf(got), c.want)
		}
	}
}

// TestInterruptedHint: what was fetched from a registry is gone on with.
func TestInterruptedHint(t *testing.T) {
	for transport, hint := range map[string]string{image.Docker: "run it again: it goes on where it was", image.DockerDaemon: "", image.OCI: ""} {
		ref := image.Reference{Transport: transport, Path: "app:1"}
		err := explain(ref, resumable(&source.Image{Reference: ref}, fmt.Errorf("layer: %w", context.Canceled)))
		if !strings.HasSuffix(err.Error(), ": interrupted") || problem.HintOf(err) != hint || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, hint %q; want %q", transport, err, problem.HintOf(err), hint)
		}
	}
	ref := image.Reference{Transport: image.Docker, Path: "app:1"}
	if err := resumable(&source.Image{Reference: ref}, context.DeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*goesOn)) {
		t.Errorf("what was not interrupted became %v", err)
	}
}

// TestNotRoot: nothing is fetched that could not be unpacked.
func TestNotRoot(t *testing.T) {
	dir := t.TempDir()
	layout, store := filepath.Join(dir, "layout"), filepath.Join(dir, "store")
	must(t, imagetest.New(spec.ImageConfig{}, imagetest.Files{"x": {}}).Layout(layout, ""))
	was := uid
	t.Cleanup(func() { uid = was })
	uid = func() int { return 1000 }
	if _, err := Pull(t.Context(), "oci:"+layout, Options{Store: store}); err == nil || !strings.Contains(err.Error(), "unpacked by uid 1000") || !strings.HasPrefix(problem.HintOf(err), "run as root") {
		t.Errorf("%v, hint %q", err, problem.HintOf(err))
	}
	for _, dir := range []string{"blobs", "partial", "layers", "images", "refs"} {
		if left, err := filepath.Glob(filepath.Join(store, dir, "*")); err != nil || len(left) > 0 {
			t.Errorf("the store has %q (%v)", left, err)
		}
	}
}

// TestTellWhere: where a bare name was found is said when it is taken over.
func TestTellWhere(t *testing.T) {
	store, err := image.CreateStore(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	here := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0a", 32)}
	must(t, store.PutEntry(&image.Entry{Digest: here.String(), ConfigRaw: here.String()}))
	named := image.Reference{Path: "app:1"}
	engine := image.Reference{Transport: image.DockerDaemon, Path: "app:1"}
	for name, c := range map[string]struct {
		key, found image.Reference
		digest     v1.Hash
		want       string
	}{
		"in an engine":  {named, engine, v1.Hash{}, "found app:1 in docker-daemon"},
		"there already": {named, engine, here, ""},
		"asked for":     {engine, engine, v1.Hash{}, ""},
		"in a registry": {named, image.Reference{Transport: image.Docker, Path: "app:1"}, v1.Hash{}, ""},
	} {
		said := ""
		p := &puller{Options: Options{Tell: func(line string) { said = line }}, store: store}
		p.tellWhere(c.key, &source.Image{Reference: c.found, Digest: c.digest})
		if said != c.want {
			t.Errorf("%s: said %q, want %q", name, said, c.want)
		}
	}
}
