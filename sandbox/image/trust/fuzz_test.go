package trust

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/source"
)

// FuzzPayload reads payloads and statements. What is read as a signature of the
// image has the image's digest in it, and what is shown fits in a line.
func FuzzPayload(f *testing.F) {
	f.Add(simplePayload(simpleType, theDigest))
	f.Add(statement(signPredicate, theDigest))
	f.Add(statement(vulnPredicate, theIndex))
	f.Add([]byte(`{"critical":{"type":"cosign container image signature","image":{"docker-manifest-digest":"sha256:"}}}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, read := range []func([]byte) (claim, error){readSimple, readStatement} {
			c, err := read(payload)
			if err != nil {
				oneLine(t, plain(err.Error()))
				continue
			}
			if !json.Valid(payload) {
				t.Fatalf("read what is no JSON: %q", payload)
			}
			s := signed{claim: c, payload: payload}
			oneLine(t, s.noSignature([]v1.Hash{theDigest, theIndex}))
			if d, ok := c.about([]v1.Hash{theDigest, theIndex}); ok && !strings.Contains(unescaped(payload), d.Hex) {
				t.Fatalf("about %s, which is not in %q", d, payload)
			}
		}
	})
}

// unescaped writes the strings of a JSON text without escapes.
func unescaped(data []byte) string {
	var v any
	if json.Unmarshal(data, &v) != nil {
		return ""
	}
	out, _ := json.Marshal(v)
	return string(out)
}

// FuzzBundle takes blobs apart and verifies them with a key that signed none of
// them: no blob may count.
func FuzzBundle(f *testing.F) {
	p, stranger := ecPair(f, "k.pub"), ecPair(f, "s.pub")
	virtual := newSigstore(f)
	trust := byIdentity(virtual.trustRoot(f, false))
	trust.Signatures[0].Keys = []string{stranger.path}
	signers := must[[]signer](f)(newSigners(trust.Signatures))
	for _, b := range []source.Blob{
		p.bundle(f, statement(signPredicate, theDigest)), p.legacyAttestation(f, statement(signPredicate, theDigest)),
		p.legacy(f, simplePayload(simpleType, theDigest)), virtual.loggedBundle(f, bundle03, statement(signPredicate, theDigest)),
		virtual.legacy(f, alice, simplePayload(simpleType, theDigest)),
	} {
		f.Add(b.MediaType, b.Data, b.Annotations[signatureAnnotation], b.Annotations[certificateAnnotation], b.Annotations[logAnnotation])
	}
	digests := []v1.Hash{theDigest, theIndex}
	f.Fuzz(func(t *testing.T, mediaType string, data []byte, sig, certificate, log string) {
		s, ours := readSigned(source.Blob{MediaType: mediaType, Data: data, Annotations: map[string]string{
			signatureAnnotation: sig, certificateAnnotation: certificate, logAnnotation: log,
		}})
		if !ours || s.noSignature(digests) != "" {
			return
		}
		held, reason := signers[0].verify(s, digests)
		if reason == "" {
			t.Fatalf("counts by %q", held)
		}
		oneLine(t, reason)
	})
}

// FuzzScope finds the scopes of references. Each namespace holds the one before
// it, and the reference that is fetched is the one that is judged.
func FuzzScope(f *testing.F) {
	for _, seed := range [][3]string{
		{"docker", "ghcr.io/acme/app", "//ghcr.io/acme/app:1"}, {"docker", "", "//app@" + theDigest.String()},
		{"docker-daemon", "", "app:1"}, {"containerd", "", "sha256:" + theDigest.Hex}, {"oci", "", "/a/b:c"},
		{"oci-archive", "", "a"}, {"dir", "", "/"}, {"docker-archive", "", "x"},
		{"containers-storage", "", "[overlay@/s]app@" + theDigest.Hex}, {"containers-storage", "", "[/s"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, transport, repository, rest string) {
		s, err := scopeOf(Subject{Transport: transport, Repository: repository}, rest, func(p string) (string, error) { return "/" + strings.Trim(p, "/"), nil })
		if err != nil {
			return
		}
		oneLine(t, s.shown())
		if s.remote != nil && s.remote.PolicyConfigurationIdentity() != s.identity {
			t.Fatalf("judged as %q, fetched as %q", s.identity, s.remote.PolicyConfigurationIdentity())
		}
		if s.remote != nil && repository != "" && !slices.Contains(s.namespaces, s.named.Name()) {
			t.Fatalf("%q is not in its own namespaces %q", s.named, s.namespaces)
		}
		if (transport == "oci" || transport == "dir") && slices.ContainsFunc(s.namespaces, func(n string) bool { return !strings.HasPrefix(s.identity, n+"/") }) {
			t.Fatalf("%q is not below all of %q", s.identity, s.namespaces)
		}
	})
}

// FuzzRepository writes names in one way: writing them again changes nothing.
func FuzzRepository(f *testing.F) {
	for _, seed := range []string{"nginx", "docker.io/nginx", "GHCR.io:443/acme/app", "localhost/x", "a//b", "[::1]:5000/x", "0.0:443:443/00", "[::1]:443:443/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := repositoryName(s)
		if !ok {
			return
		}
		if again, ok := repositoryName(name); !ok || again != name {
			t.Fatalf("%q is %q, and that is %q", s, name, again)
		}
		host, _, _ := strings.Cut(name, "/")
		if !below(registryName(host), name) {
			t.Fatalf("%q is not below its own registry %q", name, host)
		}
	})
}

// oneLine wants a text that can be printed in one line.
func oneLine(t *testing.T, s string) {
	t.Helper()
	if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		t.Fatalf("cannot be printed: %q", s)
	}
}
