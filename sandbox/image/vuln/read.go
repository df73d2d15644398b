package vuln

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/exact"
	"github.com/safe-run/safe-run/spec/problem"
)

// The bounds of a report: its bytes, and its objects, of which each needs many
// times the bytes that it has in JSON.
const (
	maxReport  = 64 << 20
	maxObjects = 1 << 20
)

const formats = "make it with trivy image --format json, or grype -o json"

// Load reads the report in a file.
func Load(path string) (Report, error) {
	b, err := readFile(path)
	if err != nil {
		return Report{}, problem.New("check image.vulnerabilities.report of the profile", "vulnerability report %s: %w", name(path), err)
	}
	r, err := Read(b)
	if err != nil {
		return Report{}, problem.New(problem.HintOf(err), "vulnerability report %s: %w", name(path), err)
	}
	return r, nil
}

// Read reads a report of Trivy, Grype, or either's SARIF. Which it is shows in
// what it holds.
func Read(b []byte) (Report, error) {
	var head struct {
		SchemaVersion json.RawMessage `json:"SchemaVersion"`
		Matches       json.RawMessage `json:"matches"`
		Runs          json.RawMessage `json:"runs"`
	}
	if err := decode(b, &head); err != nil {
		return Report{}, err
	}
	switch {
	case head.Runs != nil:
		return readSARIF(b)
	case head.Matches != nil:
		return readGrype(b)
	case head.SchemaVersion != nil:
		return readTrivy(b)
	}
	return Report{}, problem.New(formats, "neither a Trivy report, nor a Grype report, nor SARIF")
}

// decode reads all of b as JSON.
func decode(b []byte, into any) error {
	if len(b) > maxReport {
		return problem.New("check that it is a report of one image", "larger than %d MiB", maxReport>>20)
	}
	if bytes.Count(b, []byte("{")) > maxObjects {
		return problem.New("check that it is a report of one image", "more than %d objects", maxObjects)
	}
	if err := exact.Unmarshal(b, into); err != nil {
		return problem.New(formats, "not the JSON that was expected: %s", text(err.Error(), longestText))
	}
	return nil
}

// list is a list of objects and of nothing else, so that maxObjects bounds it.
// encoding/json would make room for each null and each number.
type list[T any] []T

// UnmarshalJSON ends at the first element that is not wanted.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	d := json.NewDecoder(bytes.NewReader(b))
	start, err := d.Token()
	if err != nil || start == nil { // null
		return err
	}
	if start != json.Delim('[') {
		return errNoList
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		if raw[0] != '{' {
			return errNoList
		}
		var element T
		if err := exact.Unmarshal(raw, &element); err != nil {
			return err
		}
		*l = append(*l, element)
	}
	return nil
}

var errNoList = errors.New("a list of objects is expected")

// readFile reads a file that is not larger than a report may be.
func readFile(path string) ([]byte, error) {
	// O_NONBLOCK: a FIFO must not hang the reader before it is refused.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, errors.Unwrap(err) // the path is in the message already
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxReport+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxReport {
		return nil, fmt.Errorf("larger than %d MiB", maxReport>>20)
	}
	return b, nil
}

// digest is s when it is a digest that can be compared, and else empty.
func digest(s string) string {
	if image.ValidDigest(s) {
		return s
	}
	return ""
}

// digestsOf are the digests of references such as "app@sha256:...".
func digestsOf(references []string) []string {
	var out []string
	for _, r := range references {
		if i := strings.LastIndexByte(r, '@'); i >= 0 {
			r = r[i+1:]
		}
		if d := digest(r); d != "" && len(out) < maxNames {
			out = append(out, d)
		}
	}
	return out
}

// checked refuses a finding that nobody could act on or compare.
func checked(f Finding) (Finding, error) {
	switch {
	case f.ID == "":
		return f, problem.New(formats, "a finding in %q without an id", f.Package.Name)
	case f.Package.Name == "":
		return f, problem.New(formats, "finding %s without a package", f.ID)
	case f.Severity == strange:
		return f, problem.New(formats, "finding %s in %s has a severity that is none of %s", f.ID, f.Package.Name, strings.Join(severities, ", "))
	}
	f.Status = Affected
	f.Score = min(max(f.Score, 0), 10)
	return f, nil
}
