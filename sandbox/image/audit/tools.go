package audit

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// programDirs are where programs are looked for, beside those of PATH.
var programDirs = []string{
	"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin", "busybox",
}

// tools are programs by what they are, in the order they are told.
var tools = []struct {
	rule, what string
	names      []string
}{
	{"SR-IMG-040", "the package manager", []string{
		"apt", "apt-get", "dpkg", "apk", "rpm", "dnf", "dnf5", "microdnf", "yum", "zypper", "pacman", "pip", "pip3", "npm", "yarn", "gem",
	}},
	{"SR-IMG-041", "the shell", []string{"sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "csh", "tcsh", "busybox", "toybox"}},
	{"SR-IMG-042", "the server", []string{"sshd", "dropbear"}},
}

// checkTools tells each program once, however many links lead to it.
func (a *auditor) checkTools() {
	for _, tool := range tools {
		told := map[string][]string{} // by the path without links
		var order []string
		for _, name := range tool.names {
			for _, dir := range programDirs {
				n, real := a.scan.tree.lookup(dir + "/" + name)
				if n == nil || n.kind != regular || n.mode&0o111 == 0 {
					continue
				}
				if told[real] == nil {
					order = append(order, real)
				}
				if !slices.Contains(told[real], name) {
					told[real] = append(told[real], name)
				}
			}
		}
		for _, real := range order {
			a.found(tool.rule, ruleOf(tool.rule).Severity, Where{Path: real, Layer: a.scan.tree.at(real).layer},
				"the image has "+tool.what+" "+strings.Join(told[real], ", "))
		}
	}
}

// checkProgram looks at the program that the image starts. Root may write
// everything anyhow.
func (a *auditor) checkProgram() {
	if !a.user.known || a.user.uid == 0 {
		return
	}
	command := slices.Concat(a.config.Config.Entrypoint, a.config.Config.Cmd)
	if len(command) == 0 || command[0] == "" || len(command[0]) > bounds.Path {
		return
	}
	at, found := a.findProgram(command[0])
	if !found {
		return
	}
	program, real := at.dir(), strings.Join(at.names, "/")
	where := Where{Path: real, Layer: program.layer}
	if a.user.mayWrite(program) {
		a.found("SR-IMG-031", Medium, where,
			fmt.Sprintf("the program that the image starts belongs to %d:%d with the mode %04o, and the image runs as the uid %d",
				program.uid, program.gid, program.mode, a.user.uid))
		return
	}
	for i := len(at.nodes) - 2; i > 0; i-- {
		dir := at.nodes[i]
		// In a sticky directory only an owner replaces a file.
		if a.user.mayWrite(dir) && (dir.mode&sticky == 0 || dir.uid == a.user.uid) {
			a.found("SR-IMG-031", Medium, where,
				fmt.Sprintf("the image runs as the uid %d, which may replace what is in /%s", a.user.uid, strings.Join(at.names[:i], "/")))
			return
		}
	}
}

// findProgram resolves a command by the image's PATH.
func (a *auditor) findProgram(command string) (place, bool) {
	candidates := []string{command}
	switch {
	case strings.HasPrefix(command, "/"):
	case strings.Contains(command, "/"):
		candidates = []string{path.Join("/", a.config.Config.WorkingDir, command)}
	default:
		candidates = nil
		for _, dir := range a.searchPath() {
			candidates = append(candidates, dir+"/"+command)
		}
	}
	for _, candidate := range candidates {
		if at, err := a.scan.tree.find(candidate); err == nil && len(at.names) > 0 && at.dir().kind == regular {
			return at, true
		}
	}
	return place{}, false
}

// maxPathDirs bounds the directories of PATH that are searched.
const maxPathDirs = 100

func (a *auditor) searchPath() []string {
	value := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, entry := range a.config.Config.Env {
		if v, is := strings.CutPrefix(entry, "PATH="); is {
			value = v
		}
	}
	dirs := strings.SplitN(value, ":", maxPathDirs+1)
	return slices.DeleteFunc(dirs[:min(len(dirs), maxPathDirs)], func(dir string) bool { return !strings.HasPrefix(dir, "/") })
}
