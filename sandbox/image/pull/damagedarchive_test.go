package pull

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// Archives that are damaged, or of another form.
func TestDamagedArchives(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, sample().OCIArchive(at("oci.tar"), "app"))
	must(t, sample().DockerArchive(at("docker.tar"), "app:1"))
	must(t, os.Mkdir(at("directory"), 0o755))
	must(t, syscall.Mkfifo(at("fifo"), 0o600))
	docker := func(name string, pairs ...any) string {
		must(t, os.WriteFile(at(name), rawTar(pairs...), 0o600))
		return "docker-archive:" + at(name)
	}
	manifest := func(content string) []any {
		return []any{tar.Header{Name: "manifest.json", Size: int64(len(content))}, content}
	}
	must(t, os.WriteFile(at("junk"), []byte(strings.Repeat("junk", 1000)), 0o600))
	must(t, os.WriteFile(at("gz"), append([]byte{0x1f, 0x8b}, "junk and more junk"...), 0o600))
	must(t, os.WriteFile(at("empty"), nil, 0o600))
	for name, c := range map[string]struct {
		reference string
		words     []string
	}{
		"other form":         {"docker-archive:" + at("oci.tar"), []string{"not a docker archive but an OCI archive"}},
		"other form, back":   {"oci-archive:" + at("docker.tar"), []string{"not an OCI archive but a docker archive"}},
		"a directory":        {"oci-archive:" + at("directory"), []string{"is a directory"}},
		"a file as a layout": {"oci:" + at("oci.tar"), []string{"not a directory"}},
		"no layout":          {"oci:" + at("directory"), []string{"not an OCI layout"}},
		"a fifo":             {"oci-archive:" + at("fifo"), []string{"not a regular file"}},
		"not there":          {"oci-archive:" + at("none"), []string{"there is no"}},
		"junk":               {"oci-archive:" + at("junk"), []string{"not a tar archive"}},
		"junk in gzip":       {"oci-archive:" + at("gz"), []string{"gzip"}},
		"empty":              {"docker-archive:" + at("empty"), []string{"no manifest.json"}},
		"wrong name":         {"docker-archive:" + at("docker.tar") + ":other", []string{`"other"`, "app:1"}},
		"no images":          {docker("none.tar", manifest(`[]`)...), []string{"no image in it"}},
		"several":            {docker("two.tar", manifest(`[{"RepoTags":["a:1"]},{"RepoTags":["b:2"]}]`)...), []string{"2 images", "a:1, b:2"}},
		"no config":          {docker("config.tar", manifest(`[{"Config":"../../etc/passwd"}]`)...), []string{"config", "not there"}},
		"two manifests":      {docker("twice.tar", append(manifest(`[]`), manifest(`[]`)...)...), []string{"two files called manifest.json"}},
		"a layer many times": {docker("many.tar", manifest(`[{"Layers":["a"`+strings.Repeat(`,"a"`, bounds.Default.Layers+13)+`]}]`)...), []string{"more than 499 layers"}},
		"endless names":      {docker("names.tar", longNames(20)...), []string{"16 MiB of file names"}},
		"links in a circle": {docker("loop.tar", append(manifest(`[{"Config":"a"}]`), tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}, "",
			tar.Header{Name: "b", Typeflag: tar.TypeSymlink, Linkname: "a"}, "")...), []string{"too many links"}},
	} {
		t.Run(name, func(t *testing.T) {
			store := filepath.Join(t.TempDir(), "store")
			_, err := Pull(t.Context(), c.reference, Options{Store: store})
			assertMendable(t, err, false, c.words...)
			if _, err := os.Stat(store); err == nil {
				assertTidy(t, store)
			}
		})
	}
}

// longNames are n entries with names of almost a mebibyte, the most that a tar
// may have.
func longNames(n int) []any {
	var pairs []any
	for i := range n {
		pairs = append(pairs, tar.Header{Name: strconv.Itoa(i) + strings.Repeat("n", 1<<20-100)}, "")
	}
	return pairs
}
