package trust

import (
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	ggcrtypes "github.com/google/go-containerregistry/pkg/v1/types"
	"go.podman.io/image/v5/docker"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/safe-run/safe-run/spec"
)

const (
	accept = `[{"type":"insecureAcceptAnything"}]`
	reject = `[{"type":"reject"}]`
)

// policyFile writes a policy.json.
func policyFile(t *testing.T, content string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

// TestPolicyFile judges every transport by its scopes.
func TestPolicyFile(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "images", "app")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(sub, link); err != nil {
		t.Fatal(err)
	}
	scoped := func(def, transport, scope, requirement string) string {
		return fmt.Sprintf(`{"default":%s,"transports":{%q:{%q:%s}}}`, def, transport, scope, requirement)
	}
	for _, c := range []struct {
		name, policy, reference, repository string
		refused                             string
	}{
		{"accepts", `{"default":` + accept + `}`, "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", ""},
		{"rejects", `{"default":` + reject + `}`, "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", "is rejected by policy"},
		{"a repository", scoped(reject, "docker", "ghcr.io/acme/app", accept), "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", ""},
		{"an organisation", scoped(reject, "docker", "ghcr.io/acme", accept), "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", ""},
		{"a registry", scoped(accept, "docker", "ghcr.io", reject), "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", "is rejected by policy"},
		{"a tag", scoped(accept, "docker", "ghcr.io/acme/app:1", reject), "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", "is rejected by policy"},
		{"another tag", scoped(accept, "docker", "ghcr.io/acme/app:1", reject), "docker://ghcr.io/acme/app:2", "ghcr.io/acme/app", ""},
		{"a digest beside a tag", scoped(accept, "docker", "ghcr.io/acme/app@"+theDigest.String(), reject), "docker://ghcr.io/acme/app:1@" + theDigest.String(), "ghcr.io/acme/app", "is rejected by policy"},
		{"no tag", scoped(accept, "docker", "docker.io/library/app:latest", reject), "docker://app", "docker.io/library/app", "is rejected by policy"},
		{"a short name", scoped(accept, "docker", "quay.io", reject), "docker://app", "quay.io/acme/app", "is rejected by policy"},
		{"a layout", scoped(accept, "oci", sub, reject), "oci:" + sub + ":1", "", "is rejected by policy"},
		{"a layout through a link", scoped(accept, "oci", sub, reject), "oci:" + link + ":1", "", "is rejected by policy"},
		{"a layout below", scoped(accept, "oci", dir, reject), "oci:" + sub, "", "is rejected by policy"},
		{"a layout beside", scoped(accept, "oci", sub+"x", reject), "oci:" + sub, "", ""},
		{"a layout that is gone", scoped(accept, "oci", sub+"/gone", reject), "oci:" + link + "/gone:1", "", "is rejected by policy"},
		{"a layout below a file", scoped(accept, "oci", sub, reject), "oci:/dev/null/x", "", "not a directory"},
		{"a docker archive", scoped(accept, "docker-archive", "", reject), "docker-archive:/a.tar", "", "is rejected by policy"},
		{"docker's store", scoped(accept, "docker-daemon", "docker.io/library/app:1", reject), "docker-daemon:app:1", "", "is rejected by policy"},
		{"docker's store, by id", scoped(accept, "docker-daemon", "", reject), "docker-daemon:" + theDigest.String(), "", "is rejected by policy"},
		{"docker's store, by bare id", scoped(accept, "docker-daemon", "", reject), "docker-daemon:" + theDigest.Hex, "", "is rejected by policy"},
		{"podman's store", scoped(accept, "containers-storage", "", reject), "containers-storage:app:1", "", "is rejected by policy"},
		{"podman's store, named", scoped(accept, "containers-storage", "[overlay@/s]docker.io/library", reject), "containers-storage:[overlay@/s]app:1", "", "is rejected by policy"},
		{"podman's store, whole", scoped(accept, "containers-storage", "[/s]", reject), "containers-storage:[overlay@/s]app:1", "", "is rejected by policy"},
		{"podman's store, unknown", scoped(accept, "containers-storage", "[/s]", reject), "containers-storage:app:1", "", "the store of the image is not known"},
		{"containerd, default", `{"default":` + reject + `}`, "containerd:ghcr.io/acme/app:1", "", "is rejected by policy"},
		{"containerd, accepted", `{"default":` + accept + `}`, "containerd:ghcr.io/acme/app:1", "", ""},
		{"containerd, scoped", scoped(accept, "containerd", "ghcr.io/acme", reject), "containerd:ghcr.io/acme/app:1", "", "is rejected by policy"},
		{"a signature of a local image", `{"default":[{"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"matchRepository"}}]}`, "docker-archive:/a.tar", "", "no signature exists"},
		{"unknown transport", `{"default":` + accept + `}`, "tarball:/x", "", "which has no scope"},
		{"no name", `{"default":` + accept + `}`, "docker://GHCR.io/UPPER CASE", "ghcr.io/x", "cannot be judged"},
		{"malformed", `{"default":`, "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", "is malformed"},
		{"no default", `{}`, "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", "is malformed"},
		{"unknown member", `{"default":` + accept + `,"x":1}`, "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", "is malformed"},
		{"unknown requirement", `{"default":[{"type":"x"}]}`, "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", "is malformed"},
		{"no requirement", `{"default":[]}`, "docker://ghcr.io/acme/app:1", "ghcr.io/acme/app", "is malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subject()
			s.Reference, s.Repository = c.reference, c.repository
			s.Transport, _, _ = strings.Cut(c.reference, ":")
			s.PolicyFiles = policyFile(t, c.policy)
			v, err := Check(t.Context(), spec.Trust{}, s)
			if c.refused == "" && (err != nil || len(v.Steps) != 1 || v.Expires.IsZero()) {
				t.Errorf("not accepted: %+v, %v", v, err)
			}
			if c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
				t.Errorf("got %v, want %q", err, c.refused)
			}
		})
	}
}

// TestWhichPolicyFile takes the first that is there, and fails when it cannot
// be read.
func TestWhichPolicyFile(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.json")
	yes, no := policyFile(t, `{"default":`+accept+`}`)[0], policyFile(t, `{"default":`+reject+`}`)[0]
	for _, c := range []struct {
		files []string
		ok    bool
		steps int
	}{
		{[]string{none}, true, 0},
		{[]string{none, yes}, true, 1},
		{[]string{yes, no}, true, 1},
		{[]string{no, yes}, false, 0},
		{[]string{t.TempDir(), yes}, false, 0},
	} {
		s := subject()
		s.PolicyFiles = c.files
		v, err := Check(t.Context(), spec.Trust{}, s)
		if (err == nil) != c.ok || len(v.Steps) != c.steps {
			t.Errorf("%v: %+v, %v", c.files, v, err)
		}
	}
	t.Setenv("XDG_CONFIG_HOME", "/config")
	if got := strings.Join(DefaultPolicyFiles(), " "); got != "/config/containers/policy.json /etc/containers/policy.json" {
		t.Errorf("default: %s", got)
	}
}

// TestScopesAreTheirs compares our scopes with those of containers/image.
func TestScopesAreTheirs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.tar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		s      Subject
		theirs func() (types.ImageReference, error)
	}{
		{Subject{Transport: "oci", Reference: "oci:" + dir + ":1"}, func() (types.ImageReference, error) { return layout.ParseReference(dir + ":1") }},
		{Subject{Transport: "oci", Reference: "oci:" + dir}, func() (types.ImageReference, error) { return layout.ParseReference(dir) }},
		{Subject{Transport: "oci-archive", Reference: "oci-archive:" + dir + "/a.tar:1"}, func() (types.ImageReference, error) { return ociarchive.ParseReference(dir + "/a.tar:1") }},
		{Subject{Transport: "docker-archive", Reference: "docker-archive:/a.tar:app:1"}, func() (types.ImageReference, error) { return dockerarchive.ParseReference("/a.tar:app:1") }},
		{Subject{Transport: "docker", Reference: "docker://a.b.example:5000/x/y:1"}, func() (types.ImageReference, error) { return docker.ParseReference("//a.b.example:5000/x/y:1") }},
	} {
		ours := must[*scoped](t)(scope(c.s))
		theirs := must[types.ImageReference](t)(c.theirs())
		if ours.identity != theirs.PolicyConfigurationIdentity() || strings.Join(dedup(ours.namespaces, ours.identity), " ") != strings.Join(dedup(theirs.PolicyConfigurationNamespaces(), ours.identity), " ") {
			t.Errorf("%s: %q %q, theirs %q %q", c.s.Reference, ours.identity, ours.namespaces, theirs.PolicyConfigurationIdentity(), theirs.PolicyConfigurationNamespaces())
		}
	}
}

// dedup leaves out what is looked up before them anyway.
func dedup(namespaces []string, identity string) []string {
	var out []string
	for _, n := range namespaces {
		if n != identity {
			out = append(out, n)
		}
	}
	return out
}

// TestPolicyFileFetchesOnlyWhenAsked counts the requests at the registry: none
// for a policy without signatures. With one, it is containers/image that judges
// the signature.
func TestPolicyFileFetchesOnlyWhenAsked(t *testing.T) {
	var requests int
	server := httptest.NewServer(registry.New(registry.Logger(log.New(countingWriter{&requests}, "", 0))))
	defer server.Close()
	repository := must[name.Repository](t)(name.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/acme/app"))
	img := must[v1.Image](t)(random.Image(16, 1))
	right, wrong := ecPair(t, "right.pub"), ecPair(t, "wrong.pub")
	s := subject()
	s.Reference, s.Repository = "docker://"+repository.Name()+":1", repository.Name()
	s.Manifest = must[[]byte](t)(img.RawManifest())
	s.Digests = []v1.Hash{must[v1.Hash](t)(img.Digest())}
	s.Registry = registryContext(t)
	pushSigned(t, repository, img, right)

	signedBy := func(p pair) []string {
		return policyFile(t, fmt.Sprintf(`{"default":[{"type":"sigstoreSigned","keyPath":%q,"signedIdentity":{"type":"matchRepository"}}]}`, p.path))
	}
	requests = 0
	s.PolicyFiles = policyFile(t, `{"default":`+accept+`}`)
	if _, err := Check(t.Context(), spec.Trust{}, s); err != nil || requests != 0 {
		t.Errorf("accepted without signatures: %v, %d requests", err, requests)
	}
	s.PolicyFiles = signedBy(right)
	if _, err := Check(t.Context(), spec.Trust{}, s); err != nil || requests == 0 {
		t.Errorf("signed: %v, %d requests", err, requests)
	}
	s.PolicyFiles = signedBy(wrong)
	if _, err := Check(t.Context(), spec.Trust{}, s); err == nil || !strings.Contains(err.Error(), "is refused by") {
		t.Errorf("signed by another key: %v", err)
	}
}

// registryContext keeps the host's configuration out, and has containers/image
// look for cosign's signatures.
func registryContext(t *testing.T) *types.SystemContext {
	t.Helper()
	lookaside := t.TempDir()
	if err := os.WriteFile(filepath.Join(lookaside, "default.yaml"), []byte("default-docker:\n  use-sigstore-attachments: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &types.SystemContext{
		DockerInsecureSkipTLSVerify: types.OptionalBoolTrue, RegistriesDirPath: lookaside,
		SystemRegistriesConfPath: os.DevNull, SystemRegistriesConfDirPath: t.TempDir(), AuthFilePath: filepath.Join(t.TempDir(), "auth.json"),
	}
}

// pushSigned pushes an image, and its signature as cosign used to.
func pushSigned(t *testing.T, repository name.Repository, img v1.Image, p pair) {
	t.Helper()
	digest := must[v1.Hash](t)(img.Digest())
	payload := []byte(strings.Replace(string(simplePayload(simpleType, digest)), "ghcr.io/acme/app", repository.Name(), 1))
	sig := must[v1.Image](t)(mutate.Append(mutate.MediaType(empty.Image, ggcrtypes.OCIManifestSchema1), mutate.Addendum{
		Layer: static.NewLayer(payload, simpleMediaType), Annotations: p.legacy(t, payload).Annotations, MediaType: simpleMediaType,
	}))
	sig = mutate.ConfigMediaType(sig, ggcrtypes.OCIConfigJSON)
	for tag, what := range map[string]v1.Image{"1": img, strings.Replace(digest.String(), ":", "-", 1) + ".sig": sig} {
		if err := remote.Write(repository.Tag(tag), what); err != nil {
			t.Fatal(err)
		}
	}
}

type countingWriter struct{ n *int }

func (c countingWriter) Write(p []byte) (int, error) {
	*c.n++
	return len(p), nil
}
