package source

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// writeLayout writes an OCI layout of images with annotations.
func writeLayout(t *testing.T, all []v1.Image, annotations []map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	index := v1.IndexManifest{SchemaVersion: 2}
	for n, i := range all {
		raw, err := i.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		config, err := i.RawConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		write(blobPath(hashBytes(raw)), raw)
		write(blobPath(hashBytes(config)), config)
		layers, err := i.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range layers {
			r, err := l.Compressed()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			write(blobPath(hashBytes(data)), data)
		}
		d := descriptorOf(t, i)
		index.Manifests = append(index.Manifests, v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest, Annotations: annotations[n]})
	}
	write("index.json", asJSON(t, index))
	write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return dir
}

func TestAttachedInALayout(t *testing.T) {
	subject := testImage(t, testArch, "content")
	digest := digestOf(t, subject)
	name := func(s string) map[string]string { return map[string]string{refName: s} }
	kind := func(s string) map[string]string { return map[string]string{"kind": cosignPrefix + s} }
	loose := artifactFor(t, nil, "signature")
	tests := []struct {
		name, tag   string
		images      []v1.Image
		annotations []map[string]string
		want        []string
	}{
		{"nothing", "", []v1.Image{subject}, []map[string]string{nil}, nil},
		{"a subject", "1", []v1.Image{subject, artifactFor(t, descriptorOf(t, subject), "bundle"), testImage(t, "s390x", "other")},
			[]map[string]string{name("1"), nil, name("2")}, []string{"subject|bundle"}},
		{"tags", "1", []v1.Image{subject, loose, artifactFor(t, nil, "attestation"), artifactFor(t, nil, "of another")},
			[]map[string]string{name("1"), name("sha256-" + digest.Hex + ".sig"), name("registry.example/app:sha256-" + digest.Hex + ".att"), name("sha256-" + strings.Repeat("0", 64) + ".sig")},
			[]string{"tag sha256|attestation", "tag sha256|signature"}},
		{"tags, and no name for the image", "", []v1.Image{subject, loose}, []map[string]string{nil, name("sha256-" + digest.Hex + ".sig")}, []string{"tag sha256|signature"}},
		{"cosign save", "", []v1.Image{subject, loose, artifactFor(t, nil, "attestation")},
			[]map[string]string{kind("image"), kind("sigs"), kind("atts")}, []string{"cosign att|attestation", "cosign sig|signature"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ref := image.Reference{Transport: image.OCI, Path: writeLayout(t, test.images, test.annotations), Tag: test.tag}
			found, err := Find(t.Context(), ref, Options{Arch: testArch, Limits: bounds.Default})
			if err != nil {
				t.Fatal(err)
			}
			defer found.Close()
			if found.Digest != digest {
				t.Fatalf("found %s", found.Digest)
			}
			all, err := found.Attached(t.Context(), digest)
			if got := contents(all); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q, %v", got, test.want, err)
			}
		})
	}
}

func TestDamagedAttachmentInALayout(t *testing.T) {
	subject := testImage(t, testArch, "content")
	dir := writeLayout(t, []v1.Image{subject, artifactFor(t, descriptorOf(t, subject), "bundle")}, []map[string]string{{refName: "1"}, nil})
	if err := os.WriteFile(filepath.Join(dir, blobPath(hashBytes([]byte("bundle")))), []byte("BUNDLE"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Find(t.Context(), image.Reference{Transport: image.OCI, Path: dir, Tag: "1"}, Options{Arch: testArch, Limits: bounds.Default})
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	_, err = found.Attached(t.Context(), digestOf(t, subject))
	refuses(t, err, "what is attached to", "is damaged")
}
