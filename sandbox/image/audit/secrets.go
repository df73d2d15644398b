package audit

import (
	"bytes"
	"regexp"
	"strings"
)

// secret is one kind of secret in a file. What it says is not kept.
type secret struct {
	kind     string
	start    string // the public prefix of the kind, at most 4 characters; may be empty
	line     int
	severity Severity
}

// shape is a kind of secret that can be told by its own form.
type shape struct {
	kind     string
	literals []string // one is in every match, and fast to look for
	pattern  *regexp.Regexp
	severity Severity
	start    int // how many characters of a match are public; at most 4
}

// shapes are those of the issuers' own documentation. All have a prefix made to
// be found by scanners, but for private keys, which have a frame.
var shapes = []shape{
	{"private key", []string{"PRIVATE KEY-----"}, regexp.MustCompile(
		`-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH) )?PRIVATE KEY-----(?:\s|\\n|\\r)+(?:[A-Za-z0-9+/=]|\\n|\\r|\s){64,}`), Critical, 0},
	{"private key with a passphrase", []string{"PRIVATE KEY-----"}, regexp.MustCompile(
		`-----BEGIN (?:ENCRYPTED PRIVATE KEY-----|(?:RSA|EC|DSA) PRIVATE KEY-----\s+Proc-Type: 4,ENCRYPTED)[A-Za-z0-9+/=,:\s-]*`), Medium, 0},
	{"PGP private key", []string{"PGP PRIVATE KEY BLOCK-----"}, regexp.MustCompile(
		`-----BEGIN PGP PRIVATE KEY BLOCK-----\s+[A-Za-z0-9+/=:., \r\n-]{64,}`), High, 0},
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
	{"AWS access key", []string{"AKIA"}, regexp.MustCompile(`\bAKIA[A-Z2-7]{16}\b`), High, 4},
	{"AWS temporary access key", []string{"ASIA"}, regexp.MustCompile(`\bASIA[A-Z2-7]{16}\b`), Medium, 4},
	// https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
	{"GitHub token", []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}, regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{36,255}\b`), Critical, 4},
	{"GitHub fine-grained token", []string{"github_pat_"}, regexp.MustCompile(`\bgithub_pat_[A-Za-z0-9_]{60,255}\b`), Critical, 4},
	// https://docs.gitlab.com/security/tokens/
	{"GitLab token", []string{"glpat-"}, regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20,}`), Critical, 4},
	// https://docs.slack.dev/authentication/tokens/
	{"Slack token", []string{"xox"}, regexp.MustCompile(`\bxox[abeoprs]-[0-9]{6,}-[0-9A-Za-z-]{10,}`), Critical, 4},
	{"Slack webhook", []string{"hooks.slack.com/services/"}, regexp.MustCompile(`hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}`), High, 0},
	{"npm token", []string{"npm_"}, regexp.MustCompile(`\bnpm_[A-Za-z0-9]{36}\b`), Critical, 4},
	{"PyPI token", []string{"pypi-AgE"}, regexp.MustCompile(`\bpypi-AgE[A-Za-z0-9_-]{50,}`), Critical, 4},
	{"Docker Hub token", []string{"dckr_pat_"}, regexp.MustCompile(`\bdckr_pat_[A-Za-z0-9_-]{20,}`), Critical, 4},
	{"Stripe live key", []string{"k_live_"}, regexp.MustCompile(`\b[rs]k_live_[0-9A-Za-z]{24,}`), Critical, 3},
	{"Google API key", []string{"AIza"}, regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{35}\b`), Medium, 4},
}

// maxMatches bounds the matches of a shape in one text that are looked at.
const maxMatches = 256

// tokensOf finds secrets by their shapes.
func tokensOf(b []byte) []secret {
	var found []secret
	for _, s := range shapesIn(b) {
		for _, at := range s.pattern.FindAllIndex(b, maxMatches) {
			if match := b[at[0]:at[1]]; real(match) {
				found = append(found, secret{s.kind, string(match[:s.start]), lineAt(b, at[0]), s.severity})
				break
			}
		}
	}
	return found
}

// real tells a secret from a placeholder: documentation writes xxxx and
// EXAMPLE where a secret would be.
func real(match []byte) bool {
	if bytes.HasSuffix(match, []byte("EXAMPLE")) {
		return false
	}
	var seen [256]bool
	different := 0
	for _, c := range match[min(8, len(match)):] {
		if !seen[c] {
			seen[c] = true
			different++
		}
	}
	return different >= 8
}

func lineAt(b []byte, at int) int { return 1 + bytes.Count(b[:at], []byte("\n")) }

// secretsOf finds what is secret in a file: by shape, and by what its name says
// it holds.
func secretsOf(name string, b []byte) []secret {
	found := tokensOf(b)
	if file := credentialFile(name); file != nil {
		if line := file.find(b); line > 0 {
			found = append(found, secret{kind: file.kind, line: line, severity: file.severity})
		}
	}
	if isSample(name) {
		for i := range found {
			found[i].severity = Low
		}
	}
	return found
}

// sampleDirs hold keys that everybody has: those of test suites and manuals.
var sampleDirs = map[string]bool{
	"doc": true, "docs": true, "example": true, "examples": true, "fixtures": true, "man": true, "sample": true,
	"samples": true, "test": true, "testdata": true, "tests": true,
}

func isSample(name string) bool {
	parts := strings.Split(name, "/")
	for _, part := range parts[:len(parts)-1] {
		if sampleDirs[strings.ToLower(part)] {
			return true
		}
	}
	return false
}
