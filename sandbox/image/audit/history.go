package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// configures are the instructions that run nothing while the image is made.
var configures = regexp.MustCompile(`^(?:CMD|ENTRYPOINT|COPY|ENV|ARG|LABEL|HEALTHCHECK|ONBUILD|SHELL)\b|#\(nop\)`)

// maxHistory bounds the lines of a history that are looked at.
const maxHistory = 2000

func (a *auditor) checkHistory() {
	layer := 0
	a.told = a.environmentSecrets()
	for i, h := range a.config.History {
		if !h.EmptyLayer {
			layer++
		}
		if i >= maxHistory {
			return
		}
		line := clip(h.CreatedBy, maxScannedLine)
		where := Where{Field: fmt.Sprintf("history[%d]", i), History: line}
		if !h.EmptyLayer && layer <= len(a.in.Layers) && a.made[layer-1] != "" {
			where.Layer = layer
		}
		a.historySecrets(where, line)
		a.historySecrets(Where{Field: where.Field + ".comment", History: line}, clip(h.Comment, maxScannedLine))
		a.instruction(where, line)
	}
}

func (a *auditor) historySecrets(where Where, line string) {
	seen := map[string]bool{}
	for _, l := range leaksOf(line) {
		what := "a secret in " + l.kind + " " + l.name
		switch {
		case l.name == "":
			what = secret{kind: l.kind}.describe()
		case l.kind == "password in a URL":
			what = "a password in a URL"
		case l.kind == "variable" && a.told[l.name]:
			continue // one finding for one secret
		}
		if !seen[what] {
			seen[what] = true
			a.found("SR-IMG-021", High, where, "the line has "+what)
		}
	}
}

// environmentSecrets are the names of the variables that are told as secrets.
func (a *auditor) environmentSecrets() map[string]bool {
	names := map[string]bool{}
	for _, entry := range a.config.Config.Env {
		name, value, _ := strings.Cut(entry, "=")
		names[name] = names[name] || secretVariable(name, value)
	}
	return names
}

// adds is ADD in the three forms that a history has it in: the classic
// builder's, BuildKit's and plain.
var adds = regexp.MustCompile(`^(?:/bin/sh -c #\(nop\)\s+)?ADD\s+(.*)$`)

// updates renew a package list, and installs use it.
var (
	updates  = regexp.MustCompile(`\b(?:apt-get|apt|aptitude)\b[^&;|]*\s(?:update)\b|\bapk\b[^&;|]*\supdate\b|\b(?:yum|dnf|microdnf)\s+makecache\b`)
	installs = regexp.MustCompile(`\b(?:apt-get|apt|aptitude|apk|yum|dnf|microdnf)\b[^&;|]*\s(?:install|add|upgrade|dist-upgrade|full-upgrade|build-dep|download|source)\b`)
)

// instruction looks at how a line was written in the Dockerfile.
func (a *auditor) instruction(where Where, line string) {
	if m := adds.FindStringSubmatch(line); m != nil {
		a.add(where, strings.TrimSuffix(strings.TrimSpace(m[1]), "# buildkit"))
		return
	}
	if !configures.MatchString(line) && updates.MatchString(line) && !installs.MatchString(line) {
		a.found("SR-IMG-052", Low, where, "the line updates the list of packages and installs none")
	}
}

var archives = regexp.MustCompile(`\.(?:tar|tgz|tbz2?|txz|tzst|tar\.\w+)$`)

func (a *auditor) add(where Where, rest string) {
	words := strings.Fields(rest)
	checked := slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "--checksum=") })
	words = slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "--") || w == "in" })
	if len(words) == 0 {
		return
	}
	target := words[len(words)-1]
	for _, source := range words[:len(words)-1] {
		switch {
		case isURL(source) && !checked:
			a.found("SR-IMG-050", Medium, where, "what "+clip(withoutQuery(source), 200)+" gives at the time is not checked")
			return
		case isURL(source), archives.MatchString(source):
			return
		}
	}
	// The root filesystem of a base image is added as an archive, of which the
	// classic builder keeps only a digest.
	if target != "/" && len(words) > 1 {
		a.found("SR-IMG-051", Info, where, "ADD is used for "+clip(target, 200))
	}
}

func isURL(source string) bool {
	lower := strings.ToLower(source)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://") ||
		strings.HasPrefix(lower, "git@") || strings.HasPrefix(lower, "git://") || strings.HasPrefix(lower, "ssh://")
}

// withoutQuery leaves out what may be a token.
func withoutQuery(url string) string {
	url, _, _ = strings.Cut(url, "?")
	return url
}
