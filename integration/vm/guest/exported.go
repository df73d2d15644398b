package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/integration/vm/looks"
)

// different are the looks that differ between a container and the unit, each for
// what the export lists as lost.
var different = map[string]string{
	"read /proc/kallsyms":    paths,
	"read /proc/kcore":       paths,
	"mknod /tmp/node":        calls,
	"int80":                  calls,
	"x32":                    calls,
	"call keyctl 0 0 0":      calls,
	"call unshare 268435456": calls,
	"call ptrace 0 0 0 0":    calls,
	"call bpf 0 0 0":         calls,
	"call add_key 0 0 0 0 0": calls,
	"ns pid":                 "pidNamespace: the program is one of the host's processes",
}

const (
	paths = "paths: what is masked is refused, where safe-run shows something empty"
	calls = "seccomp.allow: all that is refused fails with ENOSYS, and another architecture ends the thread"
)

// exportedUnit runs a program as the unit that `safe-run export systemd` wrote, and
// in a container under the same profile: it sees the same, but for what is lost.
func exportedUnit() (err error) {
	const unit, out = "vm-exported.service", "/var/tmp/vm-exported.out"
	text, err := os.ReadFile(payload + "/exported.service")
	if err != nil {
		return missing{err}
	}
	// systemd runs a program as no user that nobody knows, not even by number
	// (217/USER): who installs the unit makes the user.
	if err := known("vm-exported", 65532); err != nil {
		return err
	}
	dropIn := filepath.Join(unitDir, unit+".d")
	defer func() {
		_, reloaded := systemctl("daemon-reload")
		err = errors.Join(err, os.RemoveAll(dropIn), os.RemoveAll(filepath.Join(unitDir, unit)), os.RemoveAll(out), reloaded)
	}()
	if err := errors.Join(
		os.MkdirAll(dropIn, 0o755), os.WriteFile(filepath.Join(unitDir, unit), text, 0o644),
		os.WriteFile(filepath.Join(dropIn, "vm.conf"), []byte("[Service]\nType=oneshot\nStandardOutput=truncate:"+out+"\nStandardError=inherit\n"), 0o644),
	); err != nil {
		return err
	}
	if _, err := systemctl("daemon-reload"); err != nil {
		return err
	}
	if _, err := systemctl("start", unit); err != nil {
		said, _ := os.ReadFile(out)
		state, _ := exec.Command("systemctl", "status", unit).CombinedOutput()
		return fmt.Errorf("%w\n%s%s", err, said, state)
	}
	seen, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	e, err := run(in(nil, "each", looks.All)...)
	if err != nil || e.code != 0 {
		return errors.Join(err, errors.New(e.String()))
	}
	return compare(strings.Split(e.out, "\n"), strings.Split(strings.TrimSpace(string(seen)), "\n"))
}

// known makes a user and a group, as systemd-sysusers(8) does.
func known(name string, id int) error {
	for path, line := range map[string]string{
		"/etc/passwd": fmt.Sprintf("%s:x:%d:%d::/:/usr/sbin/nologin\n", name, id, id), "/etc/group": fmt.Sprintf("%s:x:%d:\n", name, id),
	} {
		data, err := os.ReadFile(path)
		if err == nil && !strings.Contains(string(data), line) {
			err = os.WriteFile(path, append(data, line...), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compare sets what the container saw beside what the unit saw.
func compare(container, unit []string) error {
	if want := strings.Count(looks.All, ";") + 1; len(container) != want || len(unit) != want {
		return fmt.Errorf("%d and %d looks of %d:\n%s\n%s", len(container), len(unit), want, strings.Join(container, "\n"), strings.Join(unit, "\n"))
	}
	var errs []error
	for i, line := range container {
		look, _, _ := strings.Cut(line, " = ")
		_, known := different[look]
		if is := line != unit[i]; is != known {
			errs = append(errs, fmt.Errorf("in the container %q, in the unit %q; told to differ: %t", line, unit[i], known))
		}
	}
	for look := range different {
		if !slices.ContainsFunc(container, func(line string) bool { return strings.HasPrefix(line, look+" = ") }) {
			errs = append(errs, fmt.Errorf("nothing was looked at for %q", look))
		}
	}
	return errors.Join(errs...)
}
