package vuln

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// longestScan bounds a scan, whatever the context allows.
const longestScan = 10 * time.Minute

// Scanner is an installed scanner.
type Scanner struct {
	Name string // "trivy" or "grype"
	Path string // of the program, absolute
	// Cache is the directory that XDG_CACHE_HOME names for it: the scanner's
	// database is below it. Empty is the user's own.
	Cache string
}

// FindScanner finds trivy or grype in PATH, in this order.
func FindScanner() (Scanner, error) {
	for _, called := range []string{"trivy", "grype"} {
		path, err := exec.LookPath(called)
		if err == nil && filepath.IsAbs(path) {
			return Scanner{Name: called, Path: path}, nil
		}
	}
	return Scanner{}, problem.New("install one of them, or name a report in image.vulnerabilities.report", "neither trivy nor grype is in PATH")
}

// Scan has an installed scanner look at the OCI layout in a directory. The
// scanner gets no network that it would use, no settings of the user's, and at
// most ten minutes.
func Scan(ctx context.Context, layout string, s Scanner) (Report, error) {
	layout, err := filepath.Abs(layout)
	if err != nil {
		return Report{}, err
	}
	home, err := os.MkdirTemp("", "safe-run-scan-")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(home)
	if s.Cache == "" {
		if s.Cache, err = os.UserCacheDir(); err != nil {
			return Report{}, problem.New("set HOME or XDG_CACHE_HOME", "%s: its database cannot be found: %w", s.Name, err)
		}
	}
	args, err := s.arguments(layout)
	if err != nil {
		return Report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, longestScan)
	defer cancel()
	began := time.Now()
	raw, err := output(ctx, home, s.environment(home), append([]string{s.Path}, args...))
	if err != nil {
		return Report{}, problem.New(s.hint(), "%s failed: %w", s.Name, err)
	}
	out, err := Read(raw)
	if err != nil {
		return Report{}, problem.New(s.hint(), "%s gave no report: %w", s.Name, err)
	}
	if out.Tool != s.Name {
		return Report{}, problem.New(s.hint(), "%s gave a report of %q", s.Name, out.Tool)
	}
	// When it was made is known here better than to the scanner.
	out.Created = began
	if out.DB.IsZero() && s.Name == "trivy" {
		out.DB = trivyDB(s.Cache)
	}
	if out.DB.IsZero() {
		return Report{}, problem.New(s.hint(), "%s does not say how old its database is", s.Name)
	}
	return out, nil
}

// arguments are fixed: every severity, no updates, no questions to a network.
func (s Scanner) arguments(layout string) ([]string, error) {
	switch s.Name {
	case "trivy":
		return []string{
			"image", "--input", layout, "--format", "json", "--quiet", "--scanners", "vuln",
			"--severity", "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL", "--cache-dir", filepath.Join(s.Cache, "trivy"),
			"--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check", "--timeout", longestScan.String(),
		}, nil
	case "grype":
		return []string{"oci-dir:" + layout, "--output", "json", "--quiet"}, nil
	}
	return nil, problem.New("use trivy or grype", "scanner %q is not known", name(s.Name))
}

// environment is all that the scanner gets: none of the caller's variables may
// change what it reports, or hand it a secret.
func (s Scanner) environment(home string) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
		"HOME=" + home, "TMPDIR=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + s.Cache,
		"GRYPE_DB_AUTO_UPDATE=false", "GRYPE_CHECK_FOR_APP_UPDATE=false", "GRYPE_TIMESTAMP=true",
		"GRYPE_DB_VALIDATE_AGE=false", // how old a database may be is the policy's to say
	}
}

func (s Scanner) hint() string {
	if s.Name == "trivy" {
		return "trivy image --download-db-only, then try again"
	}
	return "grype db update, then try again"
}

// trivyDB is when trivy's database was made, which its report does not say.
func trivyDB(cache string) time.Time {
	b, err := readFile(filepath.Join(cache, "trivy", "db", "metadata.json"))
	var in struct{ UpdatedAt time.Time }
	if err != nil || json.Unmarshal(b, &in) != nil {
		return time.Time{}
	}
	return in.UpdatedAt
}
