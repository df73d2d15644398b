package audit

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// credentials is a kind of file that is made to hold secrets.
type credentials struct {
	kind     string
	names    []string // ends of the path, on a slash
	severity Severity
	// find gives the line of a secret; 0 when the file holds none.
	find func([]byte) int
}

var credentialFiles = []credentials{
	{"password for a host (.netrc)", []string{".netrc", "_netrc"}, High, line(`\bpassword\s+([^\s$]\S*)`)},
	{"login to a registry", []string{".dockercfg", ".docker/config.json", "containers/auth.json"}, Critical, registryLogin},
	{"AWS secret key", []string{".aws/credentials", ".aws/config"}, Critical, line(`(?i)aws_secret_access_key\s*=\s*([A-Za-z0-9/+]{30,})`)},
	{"login to an npm registry", []string{".npmrc", "etc/npmrc"}, Critical, line(`(?:_authToken|_password|_auth)\s*=\s*["']?([^\s$"'][^\s"']{7,})`)},
	{"login to a Python index", []string{".pypirc"}, Critical, line(`(?m)^\s*password\s*[:=]\s*([^\s$%<]\S*)`)},
	{"key to a Kubernetes cluster", []string{".kube/config", "kubeconfig", "etc/kubernetes/admin.conf"}, Critical,
		line(`(?m)^\s*(?:-\s+)?(?:client-key-data|token|password)\s*:\s*["']?([^\s$"'<{]{8,})`)},
	{"login of git", []string{".git-credentials"}, Critical, line(`https?://[^\s:/@]+:([^\s:/@$]+)@`)},
	{"password of PostgreSQL", []string{".pgpass"}, High, line(`(?m)^[^#\n:]+:[^\n:]*:[^\n:]*:[^\n:]*:([^\s$]\S*)`)},
	{"password of MySQL", []string{".my.cnf", ".mylogin.cnf"}, High, line(`(?m)^\s*password\s*=\s*([^\s$]\S*)`)},
	{"secret in an environment file", []string{".env", ".env.local", ".env.production"}, High, envFile},
}

// credentialFile finds what a file of this name holds; nil for others.
func credentialFile(name string) *credentials {
	for i := range credentialFiles {
		for _, end := range credentialFiles[i].names {
			if name == end || strings.HasSuffix(name, "/"+end) {
				return &credentialFiles[i]
			}
		}
	}
	return nil
}

// line finds the first match of a pattern whose group is no placeholder.
func line(pattern string) func([]byte) int {
	compiled := regexp.MustCompile(pattern)
	return func(b []byte) int {
		for _, at := range compiled.FindAllSubmatchIndex(b, maxMatches) {
			if !placeholder(string(b[at[2]:at[3]])) {
				return lineAt(b, at[2])
			}
		}
		return 0
	}
}

// maxLogins bounds the registries of one file that are looked at.
const maxLogins = 1000

// registryLogin reads docker's config.json, and the older .dockercfg, which is
// only the part that is called auths in the other.
func registryLogin(b []byte) int {
	type login struct{ Auth, IdentityToken, RegistryToken, Password string }
	var file struct{ Auths map[string]login }
	if json.Unmarshal(b, &file) != nil {
		file.Auths = nil
	}
	if len(file.Auths) == 0 && json.Unmarshal(b, &file.Auths) != nil {
		return 0
	}
	n := 0
	for _, l := range file.Auths {
		if n++; n > maxLogins {
			break
		}
		if l.Auth+l.IdentityToken+l.RegistryToken+l.Password != "" {
			return 1
		}
	}
	return 0
}

// envFile reads NAME=value lines.
func envFile(b []byte) int {
	n := 0
	for text := range bytes.Lines(b) {
		n++
		if len(text) > maxScannedLine {
			continue
		}
		entry := strings.TrimPrefix(strings.TrimSpace(string(text)), "export ")
		name, value, ok := strings.Cut(entry, "=")
		if ok && !strings.HasPrefix(name, "#") && secretVariable(name, strings.Trim(value, `"'`)) {
			return n
		}
	}
	return 0
}
