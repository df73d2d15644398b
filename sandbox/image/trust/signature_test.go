package trust

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec"
)

const vulnPredicate = "https://cosign.sigstore.dev/attestation/vuln/v1"

// check judges and gives the step's reason, or the error's line.
func check(t *testing.T, trust spec.Trust, s Subject) (held, refused string) {
	t.Helper()
	v, err := Check(t.Context(), trust, s)
	if err != nil {
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("the error has more than one line: %q", err)
		}
		return "", err.Error()
	}
	if len(v.Steps) != len(trust.Signatures) {
		t.Fatalf("%d steps for %d signatures: %+v", len(v.Steps), len(trust.Signatures), v.Steps)
	}
	return v.Steps[0].Held, ""
}

// TestSignatureByKey is the matrix of signatures by a key.
func TestSignatureByKey(t *testing.T) {
	right, wrong := ecPair(t, "right.pub"), ecPair(t, "wrong.pub")
	sign := statement(signPredicate, theDigest)
	simple := simplePayload(simpleType, theDigest)
	changed := right.legacy(t, simple)
	changed.Data = bytes.Replace(changed.Data, []byte("acme/app"), []byte("acme/apq"), 1)
	unsigned := right.legacy(t, simple)
	unsigned.Annotations = nil
	truncated := right.bundle(t, sign)
	truncated.Data = truncated.Data[:len(truncated.Data)/2]
	two := right.envelope(t, sign)
	two.Signatures = append(two.Signatures, wrong.envelope(t, sign).Signatures...)

	for _, c := range []struct {
		name    string
		blobs   []source.Blob
		refused string // a part of the line; empty when it counts
	}{
		{"legacy, right key", []source.Blob{right.legacy(t, simple)}, ""},
		{"bundle, right key", []source.Blob{right.bundle(t, sign)}, ""},
		{"legacy, of the index", []source.Blob{right.legacy(t, simplePayload(simpleType, theIndex))}, ""},
		{"bundle, of the index", []source.Blob{right.bundle(t, statement(signPredicate, theIndex))}, ""},
		{"wrong and right key", []source.Blob{wrong.bundle(t, sign), right.legacy(t, simple)}, ""},
		{"attestation beside a signature", []source.Blob{right.bundle(t, statement(vulnPredicate, theDigest)), right.bundle(t, sign)}, ""},
		{"nothing", nil, "it has no signature"},
		{"legacy, wrong key", []source.Blob{wrong.legacy(t, simple)}, "its only signature is by another key than right.pub"},
		{"bundle, wrong key", []source.Blob{wrong.bundle(t, sign)}, "its only signature is by another key than right.pub"},
		{"two, wrong key", []source.Blob{wrong.bundle(t, sign), wrong.legacy(t, simple)}, "it has 2 signatures and none that counts: one is by another key than right.pub, or was changed (2 times)"},
		{"legacy, other digest", []source.Blob{right.legacy(t, simplePayload(simpleType, anotherDigest))}, "is for another digest, " + anotherDigest.String()},
		{"bundle, other digest", []source.Blob{right.bundle(t, statement(signPredicate, anotherDigest))}, "is for another digest, " + anotherDigest.String()},
		{"attestation", []source.Blob{right.bundle(t, statement(vulnPredicate, theDigest))}, "is an attestation (predicate type " + vulnPredicate + "), not a signature"},
		{"legacy attestation", []source.Blob{right.legacyAttestation(t, statement(vulnPredicate, theDigest))}, "is an attestation"},
		{"lying payload: other type", []source.Blob{right.legacy(t, simplePayload("atomic container signature", theDigest))}, `its critical.type is "atomic container signature"`},
		{"lying payload: the digest twice", []source.Blob{right.legacy(t, bytes.Replace(simple, []byte(`"docker-manifest-digest"`), []byte(`"docker-manifest-digest":"`+anotherDigest.String()+`","docker-manifest-digest"`), 1))}, `"docker-manifest-digest" twice`},
		{"lying payload: the type twice", []source.Blob{right.bundle(t, bytes.Replace(statement(vulnPredicate, theDigest), []byte(`"predicate"`), []byte(`"predicateType":"`+signPredicate+`","predicate"`), 1))}, `"predicateType" twice`},
		{"lying payload: names in other letters", []source.Blob{right.legacy(t, bytes.Replace(simple, []byte(`"critical"`), []byte(`"Critical"`), 1))}, "it has no critical"},
		{"payload changed", []source.Blob{changed}, "is by another key than right.pub, or was changed"},
		{"no signature in the annotation", []source.Blob{unsigned}, "it has no dev.cosignproject.cosign/signature annotation"},
		{"huge payload", []source.Blob{right.legacy(t, append(simple, bytes.Repeat([]byte(" "), maxSimple)...))}, "its payload has more than 64 KiB"},
		{"huge bundle", []source.Blob{{MediaType: bundle03, Data: make([]byte, 5<<20)}}, "it has more than 4 MiB"},
		{"truncated bundle", []source.Blob{truncated}, "cannot be read"},
		{"empty bundle", []source.Blob{{MediaType: bundle03, Data: []byte("{}")}}, "cannot be read"},
		{"not a statement", []source.Blob{right.bundle(t, []byte(`{"_type":"x"}`))}, `its _type is "x"`},
		{"about nothing", []source.Blob{right.bundle(t, []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"`+signPredicate+`"}`))}, "is for no digest"},
		{"wrong media type", []source.Blob{{MediaType: "application/json", Data: right.bundle(t, sign).Data}}, "it has no signature"},
		{"a payload as a bundle", []source.Blob{{MediaType: bundle03, Data: simple, Annotations: right.legacy(t, simple).Annotations}}, "cannot be read"},
		{"terminal codes in a type", []source.Blob{right.bundle(t, bytes.Replace(statement("x", theDigest), []byte(`"x"`), []byte(`"\u001b[2J\nhttps://x"`), 1))}, "is an attestation (predicate type ?[2J https://x)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all []source.Attachment
			for _, b := range c.blobs {
				all = append(all, beside(b))
			}
			held, refused := check(t, byKeys(right.path), subject(all...))
			if c.refused == "" && held != "key "+right.path {
				t.Errorf("not accepted: %q %q", held, refused)
			}
			if c.refused != "" && !strings.Contains(refused, c.refused) {
				t.Errorf("refused with %q, want %q", refused, c.refused)
			}
			if c.refused != "" && !strings.HasPrefix(refused, `image docker://ghcr.io/acme/app:1 is not signed as "release" asks: `) {
				t.Errorf("the line does not say what is not signed: %q", refused)
			}
		})
	}
}

// TestEveryKey signs in both formats with every kind of key that counts.
func TestEveryKey(t *testing.T) {
	other := ecPair(t, "other.pub")
	for name, p := range everyPair(t) {
		for format, b := range map[string]source.Blob{
			"legacy": p.legacy(t, simplePayload(simpleType, theDigest)),
			"bundle": p.bundle(t, statement(signPredicate, theDigest)),
		} {
			if _, refused := check(t, byKeys(p.path), subject(beside(b))); refused != "" {
				t.Errorf("%s, %s: %s", name, format, refused)
			}
			if _, refused := check(t, byKeys(other.path), subject(beside(b))); !strings.Contains(refused, "another key than other.pub") {
				t.Errorf("%s, %s, wrong key: %q", name, format, refused)
			}
			if held, _ := check(t, byKeys(other.path, p.path), subject(beside(b))); held != "key "+p.path {
				t.Errorf("%s, %s, one of two keys: %q", name, format, held)
			}
		}
	}
}

// TestEveryEntryIsNeeded wants a signature for each entry.
func TestEveryEntryIsNeeded(t *testing.T) {
	a, b := ecPair(t, "a.pub"), ecPair(t, "b.pub")
	both := spec.Trust{Signatures: []spec.SignedBy{{Name: "build", Keys: []string{a.path}}, {Name: "review", Keys: []string{b.path}}}}
	sign := statement(signPredicate, theDigest)
	if _, refused := check(t, both, subject(beside(a.bundle(t, sign)))); !strings.Contains(refused, `is not signed as "review" asks`) {
		t.Errorf("one of two: %q", refused)
	}
	if _, refused := check(t, both, subject(beside(a.bundle(t, sign)), beside(b.bundle(t, sign)))); refused != "" {
		t.Errorf("both: %s", refused)
	}
}

// TestKeyFiles refuses what is no public key, before any signature is read.
func TestKeyFiles(t *testing.T) {
	good := ecPair(t, "good.pub")
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pem := string(must[[]byte](t)(os.ReadFile(good.path)))
	for name, c := range map[string]struct{ path, refused string }{
		"none":        {filepath.Join(dir, "none"), "no such file"},
		"a directory": {dir, "is not a regular file"},
		"empty":       {write("empty", ""), "is not in PEM"},
		"private":     {write("private", "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n"), "is a private key"},
		"certificate": {write("cert", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"), "is a certificate"},
		"two keys":    {write("two", pem+pem), "has something after its key"},
		"garbage":     {write("garbage", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "cannot be read"},
		"weak":        {writePublic(t, "weak", must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024)).Public()), "or RSA of 2048 to 8192 bits"},
	} {
		_, refused := check(t, byKeys(good.path, c.path), subject(beside(good.bundle(t, statement(signPredicate, theDigest)))))
		if !strings.Contains(refused, c.refused) {
			t.Errorf("%s: %q, want %q", name, refused, c.refused)
		}
	}
}

// TestCannotBeSigned says why an image without a published digest never is.
func TestCannotBeSigned(t *testing.T) {
	good := ecPair(t, "good.pub")
	s := subject()
	s.Made, s.Transport = true, "docker-archive"
	if _, refused := check(t, byKeys(good.path), s); !strings.Contains(refused, "docker-archive keeps no published digest") {
		t.Errorf("made: %q", refused)
	}
	s = subject()
	s.Attached, s.Transport = nil, "containerd"
	if _, refused := check(t, byKeys(good.path), s); !strings.Contains(refused, "containerd keeps none") {
		t.Errorf("no attachments: %q", refused)
	}
}

// TestAttachmentsFail refuses an image whose signatures cannot be read.
func TestAttachmentsFail(t *testing.T) {
	good := ecPair(t, "good.pub")
	s := subject()
	s.Attached = func(context.Context, v1.Hash) ([]source.Attachment, error) { return nil, io.ErrUnexpectedEOF }
	if _, err := Check(t.Context(), byKeys(good.path), s); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

// TestTooMany bounds what is tried.
func TestTooMany(t *testing.T) {
	good := ecPair(t, "good.pub")
	a := beside(good.legacy(t, simplePayload(simpleType, anotherDigest)))
	for len(a.Blobs) <= maxSigned {
		a.Blobs = append(a.Blobs, a.Blobs[0])
	}
	if _, refused := check(t, byKeys(good.path), subject(a)); !strings.Contains(refused, "more than 256 signatures") {
		t.Errorf("%q", refused)
	}
}

// TestSubjectIsItsManifest refuses a manifest of another digest.
func TestSubjectIsItsManifest(t *testing.T) {
	s := subject()
	s.Manifest = []byte("x")
	if _, refused := check(t, spec.Trust{}, s); !strings.Contains(refused, "does not have the digest") {
		t.Errorf("%q", refused)
	}
	s.Digests = []v1.Hash{}
	if _, refused := check(t, spec.Trust{}, s); !strings.Contains(refused, "has no digest") {
		t.Errorf("%q", refused)
	}
}
