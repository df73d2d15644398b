package source

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// TestErrorsAreBrief: names and media types of a megabyte are not told whole.
func TestErrorsAreBrief(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for what, index := range map[string]string{
		"names":       `{"manifests":[{"digest":"DIGEST","annotations":{"org.opencontainers.image.ref.name":"LONG"}}]}`,
		"media types": `{"manifests":[{"digest":"DIGEST","size":SIZE,"mediaType":"LONG","annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`,
		"platforms":   `{"manifests":[{"digest":"DIGEST","platform":{"os":"LONG","architecture":"z"},"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`,
		"digests":     `{"manifests":[{"digest":"LONG"}]}`,
	} {
		dir := t.TempDir()
		img := imagetest.New(spec.ImageConfig{Cmd: []string{"/a"}}, imagetest.Files{"a": {Content: "a"}})
		must(t, img.Layout(dir, "v1"))
		found, err := Find(t.Context(), image.Reference{Transport: image.OCI, Path: dir}, testOptions(t))
		must(t, err)
		must(t, found.Close())
		index = strings.NewReplacer("DIGEST", found.Digest.String(), "LONG", long, "SIZE", "1").Replace(index)
		must(t, os.WriteFile(filepath.Join(dir, "index.json"), []byte(index), 0o600))
		_, err = Find(t.Context(), image.Reference{Transport: image.OCI, Path: dir, Tag: "v1"}, Options{Arch: runtime.GOARCH, Limits: testOptions(t).Limits})
		if err == nil {
			t.Errorf("%s: accepted", what)
			continue
		}
		if n := max(len(err.Error()), len(problem.HintOf(err))); n > longest+len("...") {
			t.Errorf("%s: a message of %d bytes", what, n)
		}
	}
}
