package vuln

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// debian is the image that the reports in testdata are of: three packages of
// which dpkg knows, and nothing else.
func debian() imagetest.Image {
	entry := func(name, version string) string {
		return "Package: " + name + "\nStatus: install ok installed\nMaintainer: nobody\nArchitecture: amd64\nVersion: " + version + "\nDescription: " + name + "\n\n"
	}
	img := imagetest.New(spec.ImageConfig{Entrypoint: []string{"/bin/true"}}, imagetest.Files{
		"etc/debian_version":  {Content: "12.5\n"},
		"etc/os-release":      {Content: "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n"},
		"var/lib/dpkg/status": {Content: entry("bash", "5.2.15-2") + entry("curl", "7.88.1-10") + entry("zlib1g", "1:1.2.13-1")},
	})
	img.Arch = "amd64"
	return img
}

// unzip writes a database of testdata/db where the scanner looks for it.
func unzip(t *testing.T, called, to string) {
	t.Helper()
	b := file(t, filepath.Join("db", called))
	if filepath.Ext(called) == ".gz" {
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	put(t, to, b)
}

func put(t *testing.T, to string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRealScanners has the real ones look at the image with a database of
// three vulnerabilities, offline, and judges what they say.
func TestRealScanners(t *testing.T) {
	databases := map[string]func(t *testing.T, cache string){
		"trivy": func(t *testing.T, cache string) {
			dated(t, Scanner{Cache: cache}, time.Now())
			unzip(t, "trivy.db.gz", filepath.Join(cache, "trivy/db/trivy.db"))
		},
		"grype": func(t *testing.T, cache string) {
			unzip(t, "grype-import.json", filepath.Join(cache, "grype/db/6/import.json"))
			unzip(t, "grype-vulnerability.db.gz", filepath.Join(cache, "grype/db/6/vulnerability.db"))
		},
	}
	for called, database := range databases {
		t.Run(called, func(t *testing.T) {
			s := Scanner{Name: called, Path: peer(t, called), Cache: t.TempDir()}
			database(t, s.Cache)
			img, err := debian().Build()
			if err != nil {
				t.Fatal(err)
			}
			manifest, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			config, err := img.ConfigName()
			if err != nil {
				t.Fatal(err)
			}
			layout := filepath.Join(t.TempDir(), "layout")
			if err := debian().Layout(layout, "app:1.0"); err != nil {
				t.Fatal(err)
			}
			r, err := Scan(t.Context(), layout, s)
			if err != nil {
				t.Fatal(err)
			}
			p := policy("high")
			p.MaxAge = 100 * 365 * 24 * time.Hour // the databases do not get younger
			v, err := Judge(p, Known{Reports: []Report{r}}, Subject{Name: "app", Digests: []string{manifest.String()}, ConfigDigest: config.String()}, time.Now())
			if ids(v.All) != "123" || ids(v.Blocked) != "13" || err == nil {
				t.Errorf("all %q, blocked %q, %v", ids(v.All), ids(v.Blocked), err)
			}
			if r.DB.IsZero() {
				t.Error("its database has no date")
			}
			if _, err := Scan(t.Context(), t.TempDir(), s); err == nil {
				t.Error("an empty directory was scanned")
			}
		})
	}
}
