package vuln

import (
	"encoding/json"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// VulnPredicate is the type of cosign's vulnerability attestation.
const VulnPredicate = "https://cosign.sigstore.dev/attestation/vuln/v1"

// ReadAttestation reads the predicate of a verified attestation of type
// VulnPredicate about the image with the digest subject. The scanner's own
// report is embedded in it.
func ReadAttestation(predicate []byte, subject string) (Report, error) {
	const hint = "cosign attest --type vuln --predicate FILE IMAGE, with FILE from trivy image --format cosign-vuln"
	if digest(subject) == "" {
		return Report{}, problem.New("", "a vulnerability attestation about %q, which is no digest", name(subject))
	}
	var in struct {
		Scanner struct {
			URI    string          `json:"uri"`
			Result json.RawMessage `json:"result"`
			DB     struct {
				LastUpdate time.Time `json:"lastUpdate"`
			} `json:"db"`
		} `json:"scanner"`
		Metadata struct {
			ScanFinishedOn time.Time `json:"scanFinishedOn"`
		} `json:"metadata"`
	}
	if err := decode(predicate, &in); err != nil {
		return Report{}, problem.New(hint, "vulnerability attestation: %w", err)
	}
	if in.Scanner.Result == nil {
		return Report{}, problem.New(hint, "vulnerability attestation without scanner.result")
	}
	out, err := Read(in.Scanner.Result)
	if err != nil {
		return Report{}, problem.New(hint, "vulnerability attestation: its report is %w", err)
	}
	finished := in.Metadata.ScanFinishedOn
	if finished.IsZero() {
		return Report{}, problem.New(hint, "vulnerability attestation without metadata.scanFinishedOn")
	}
	// An old report does not get younger by being attested again.
	if out.Created.IsZero() || finished.Before(out.Created) {
		out.Created = finished
	}
	if out.DB.IsZero() {
		out.DB = in.Scanner.DB.LastUpdate
	}
	out.Subject = subject
	return out, nil
}
