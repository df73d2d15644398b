package source

import (
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestManifestType(t *testing.T) {
	const oci, index = string(types.OCIManifestSchema1), string(types.OCIImageIndex)
	tests := []struct {
		header, body string
		want         types.MediaType
		err          string
	}{
		{oci, `{}`, types.OCIManifestSchema1, ""},
		{oci + "; charset=utf-8", `{"mediaType":"` + oci + `"}`, types.OCIManifestSchema1, ""},
		{"application/json", `{"mediaType":"` + index + `"}`, types.OCIImageIndex, ""},
		{"", `{"mediaType":"` + oci + `"}`, types.OCIManifestSchema1, ""},
		{"text/plain", `{}`, "", ""},
		{index, `{"mediaType":"` + oci + `"}`, "", "is served as"},
		{"text/html", `{}`, "", "no container image"},
		{"text/html", `<p>`, "", "web page"},
		{oci, `{"schemaVersion":1}`, "", "schema 1"},
		{"", `{"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}`, "", "schema 1"},
		{"application/vnd.oci.artifact.manifest.v1+json", `{}`, "", "no container image"},
	}
	for _, test := range tests {
		got, err := manifestType(http.Header{"Content-Type": {test.header}}, []byte(test.body))
		if test.err != "" {
			refuses(t, err, test.err)
		} else if err != nil || got != test.want {
			t.Errorf("%s, %s: %q, %v", test.header, test.body, got, err)
		}
	}
}

// FuzzServedManifest: what a registry may serve as a manifest and a config.
func FuzzServedManifest(f *testing.F) {
	const oci = string(types.OCIManifestSchema1)
	config := `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:` + strings.Repeat("a", 64) + `"]}}`
	layer := `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":9,"digest":"sha256:` + strings.Repeat("b", 64) + `"}`
	manifest := `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":1,"digest":"sha256:` + strings.Repeat("c", 64) + `"},"layers":[` + layer + `]}`
	f.Add(oci, []byte(manifest), []byte(config))
	f.Add("", []byte(manifest), []byte(`{}`))
	f.Add("text/html", []byte(`<html>`), []byte(`null`))
	f.Add(string(types.OCIImageIndex), []byte(`{"manifests":[{}]}`), []byte(``))
	f.Fuzz(func(t *testing.T, contentType string, data, raw []byte) {
		d := v1.Descriptor{Digest: hashBytes(data), Size: int64(len(data))}
		var err error
		if d.MediaType, err = manifestType(http.Header{"Content-Type": {contentType}}, data); err != nil {
			refuses(t, err)
			return
		}
		if isIndex(d, data) {
			return
		}
		m, err := parseManifest(d, data)
		if err != nil {
			return
		}
		i, err := assemble(documents{d, data, m, raw}, testArch, func(v1.Descriptor) opener { return nil })
		if err != nil {
			return
		}
		if i.Digest != hashBytes(data) || len(i.Layers) != len(i.ConfigFile.RootFS.DiffIDs) || i.ConfigFile.Architecture != testArch {
			t.Errorf("image %+v", i)
		}
		for _, l := range i.Layers {
			if l.Size < 0 || len(l.Digest.Hex) != 64 || len(l.DiffID.Hex) != 64 {
				t.Errorf("layer %+v", l)
			}
		}
	})
}
