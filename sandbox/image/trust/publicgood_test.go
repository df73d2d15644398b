package trust

import (
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/safe-run/safe-run/spec"
)

// TestPublicGood verifies a bundle of the public sigstore with its trust root:
// its certificate is in a log of certificates, and its log promises and proves.
// The bundle is about a package, by SHA-512.
func TestPublicGood(t *testing.T) {
	const trusted = "testdata/public-root.json"
	s, err := readBundle(must[[]byte](t)(os.ReadFile("testdata/public-bundle.json")))
	if err != nil {
		t.Fatal(err)
	}
	if reason := s.noSignature(nil); !strings.Contains(reason, "is an attestation (predicate type https://slsa.dev/provenance/") {
		t.Errorf("provenance: %q", reason)
	}
	var about struct {
		Subject []struct{ Digest map[string]string }
	}
	if err := json.Unmarshal(s.payload, &about); err != nil {
		t.Fatal(err)
	}
	sum := must[[]byte](t)(hex.DecodeString(about.Subject[0].Digest["sha512"]))
	for _, c := range []struct {
		repository string
		sum        []byte
		held       string
		reason     string
	}{
		{"sigstore-js", sum, "identity https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main by issuer https://token.actions.githubusercontent.com", ""},
		{"another", sum, "", "has a certificate for https://github.com/sigstore/sigstore-js/"},
		{"sigstore-js", make([]byte, sha512.Size), "", "does not verify"},
	} {
		k, err := newKeyless(spec.SignedBy{Name: "release", TrustRoot: trusted, Keyless: []spec.Identity{{
			Issuer: "https://token.actions.githubusercontent.com", SubjectRegExp: `https://github\.com/sigstore/` + c.repository + `/.*`,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(k.root.CTLogs()) == 0 {
			t.Fatal("the public trust root names no log of certificates")
		}
		held, reason := k.verify(s, verify.WithArtifactDigest("sha512", c.sum))
		if held != c.held || !strings.Contains(reason, c.reason) || c.reason == "" && reason != "" {
			t.Errorf("%s: %q, %q", c.repository, held, reason)
		}
	}
}
