package audit

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

func (a *auditor) checkUser() {
	user, _, _ := strings.Cut(a.config.Config.User, ":")
	where := Where{Field: "config.User"}
	switch {
	case user == "":
		a.found("SR-IMG-001", High, where, "the image names no user, so it runs as root")
	case a.user.known && a.user.uid == 0:
		detail := fmt.Sprintf("the user %q is root", clip(user, 64))
		if _, err := strconv.Atoi(user); err != nil && user != "root" {
			detail = fmt.Sprintf("the user %q has the uid 0 in the image's /etc/passwd", clip(user, 64))
		}
		a.found("SR-IMG-001", High, where, detail)
	case !a.user.known:
		a.found("SR-IMG-002", Low, where, fmt.Sprintf("the image's /etc/passwd has no user %q", clip(user, 64)))
	}
}

func (a *auditor) checkReference() {
	where := Where{Field: "reference"}
	switch {
	case a.in.Pinned:
	case a.in.Tag == "latest":
		a.found("SR-IMG-003", Medium, where, "the tag latest is another image after each release")
	default:
		a.found("SR-IMG-003", Low, where, "the reference has no digest: what it names can be replaced")
	}
}

func (a *auditor) checkHealth() {
	check := a.config.Config.Healthcheck
	if check != nil && len(check.Test) > 0 && check.Test[0] != "NONE" {
		return
	}
	a.found("SR-IMG-006", Info, Where{Field: "config.Healthcheck"},
		"the config has no health check; only docker's form can have one, an OCI config cannot")
}

func (a *auditor) checkPorts() {
	for _, port := range slices.Sorted(maps.Keys(a.config.Config.ExposedPorts)) {
		number, protocol, _ := strings.Cut(port, "/")
		if number == "22" && (protocol == "" || protocol == "tcp") {
			a.found("SR-IMG-043", Low, Where{Field: "config.ExposedPorts"}, "the port "+port+" is the one of SSH servers")
		}
	}
}

// sensitive are paths that a volume must not hide or share, and whether those
// below them are meant too.
var sensitive = map[string]bool{
	"/": false, "/bin": true, "/boot": true, "/dev": true, "/etc": false, "/lib": true, "/lib64": true, "/proc": true,
	"/root": false, "/root/.ssh": true, "/run": false, "/run/docker.sock": true, "/run/secrets": true, "/sbin": true,
	"/sys": true, "/usr": false, "/usr/bin": true, "/usr/lib": false, "/usr/sbin": true, "/var": false, "/var/run": false,
	"/var/run/docker.sock": true, "/var/run/secrets": true, "/home": false, "/etc/ssl/private": true,
}

func (a *auditor) checkVolumes() {
	for _, volume := range slices.Sorted(maps.Keys(a.config.Config.Volumes)) {
		clean := path.Clean("/" + volume)
		for at, below := range sensitive {
			if clean == at || below && strings.HasPrefix(clean, at+"/") {
				a.found("SR-IMG-060", Medium, Where{Field: "config.Volumes"}, "a volume is declared over "+clean)
				break
			}
		}
	}
}

func (a *auditor) checkEnvironment() {
	for _, entry := range a.config.Config.Env {
		name, value, _ := strings.Cut(entry, "=")
		where := Where{Field: "config.Env " + clip(name, 128)}
		if tokens := tokensOf([]byte(clip(value, maxFile))); len(tokens) > 0 {
			a.found("SR-IMG-020", tokens[0].severity, where, "the variable holds "+tokens[0].describe())
			continue
		}
		if secretVariable(name, value) {
			a.found("SR-IMG-020", High, where, "by its name the variable holds a secret; its value is not shown")
		} else if m := userinfo.FindStringSubmatch(clip(value, maxScannedLine)); m != nil && !placeholder(m[2]) {
			a.found("SR-IMG-020", High, where, "the variable holds a URL with a password")
		}
	}
}

// describe names a secret and what may be shown of it.
func (s secret) describe() string {
	article := "a "
	if strings.ContainsAny(s.kind[:1], "AaEeIiOo") {
		article = "an "
	}
	if s.start == "" {
		return article + s.kind
	}
	return article + s.kind + " (" + s.start + "...)"
}

func (a *auditor) checkPath() {
	// A variable that is there twice has its last value.
	last := map[string]string{}
	for _, entry := range a.config.Config.Env {
		name, value, _ := strings.Cut(entry, "=")
		last[name] = clip(value, maxScannedLine)
	}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT"} {
		value, there := last[name]
		where := Where{Field: "config.Env " + name}
		switch {
		case !there:
		case strings.HasSuffix(name, "PATH"):
			a.directories(where, strings.Split(value, ":"), name == "PATH")
		default:
			for _, file := range strings.FieldsFunc(value, func(c rune) bool { return c == ':' || c == ' ' }) {
				a.preload(where, file)
			}
		}
	}
}

// directories looks at a list of directories in which code is looked for.
func (a *auditor) directories(where Where, list []string, programs bool) {
	for i, dir := range list {
		switch {
		case dir == "" && !programs && i == len(list)-1:
			// NAME=/new:$NAME with nothing in NAME; so common that it is low.
			a.found("SR-IMG-032", Low, where, "an empty entry stands for the working directory")
			continue
		case dir == "":
			a.found("SR-IMG-032", Medium, where, "an empty entry stands for the working directory")
			continue
		case !strings.HasPrefix(dir, "/"):
			a.found("SR-IMG-032", Medium, where, fmt.Sprintf("%q is relative to the working directory", clip(dir, 128)))
			continue
		}
		n, real := a.scan.tree.lookup(dir)
		if n == nil || n.kind != directory {
			continue
		}
		switch {
		case n.mode&0o002 != 0:
			a.found("SR-IMG-032", High, where, fmt.Sprintf("everybody may write into /%s, where code is looked for", real))
		case a.user.uid != 0 && a.user.mayWrite(n):
			a.found("SR-IMG-032", Low, where, fmt.Sprintf("the image's user may write into /%s, where code is looked for", real))
		}
	}
}

func (a *auditor) preload(where Where, file string) {
	severity, detail := Low, fmt.Sprintf("%q is loaded into every program", clip(file, 128))
	switch n, _ := a.scan.tree.lookup(file); {
	case !strings.HasPrefix(file, "/"):
		severity = Medium
	case n == nil:
		detail += "; the image has no such file"
	case n.mode&0o002 != 0:
		severity, detail = High, detail+", and everybody may write it"
	case a.user.uid != 0 && a.user.mayWrite(n):
		severity, detail = Medium, detail+", and the image's user may write it"
	}
	a.found("SR-IMG-032", severity, where, detail)
}
