package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// unitDir is where systemd takes units from until the machine ends.
const unitDir = "/run/systemd/system"

// generate has safe-run write the unit of a container that is made for it, and
// gives what removes it again. The container is stopped by then.
func generate(name string, flags, made []string) (unit string, undo func() error, err error) {
	unit = "container-" + name + ".service"
	undo = func() error {
		_, err := systemctl("stop", unit)
		files, _ := filepath.Glob(filepath.Join(unitDir, "container-"+name+".*"))
		for _, file := range files {
			err = errors.Join(err, os.Remove(file))
		}
		e, rmErr := run("rm", "-f", name)
		if e.code != 0 && !strings.Contains(e.err, "no such container") {
			rmErr = errors.Join(rmErr, errors.New(e.String()))
		}
		_, reloaded := systemctl("daemon-reload")
		return errors.Join(err, rmErr, reloaded)
	}
	for _, args := range [][]string{append([]string{"run", "-d", "--name", name}, made...), {"stop", name}} {
		e, err := run(args...)
		if err == nil && e.code != 0 {
			err = errors.New(e.String())
		}
		if err != nil {
			return unit, undo, err
		}
	}
	cmd := exec.Command(safeRun, append([]string{"generate", "systemd", "--files", "--name", name}, flags...)...)
	cmd.Dir = unitDir
	if out, err := cmd.CombinedOutput(); err != nil {
		return unit, undo, fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	_, err = systemctl("daemon-reload")
	return unit, undo, err
}

// ledgerUnit: systemd starts a container of the ledger, is told that it runs,
// and ends it.
func ledgerUnit() (err error) {
	unit, undo, err := generate("vm-unit", nil, []string{"dir:" + tree, "/bin/sh", "-c", "exec sleep 300"})
	defer func() { err = errors.Join(err, undo()) }()
	if err != nil {
		return err
	}
	if _, err := systemctl("start", unit); err != nil {
		return err
	}
	err = properties(unit, map[string]string{"ActiveState": "active", "SubState": "running", "StatusText": "container vm-unit runs"})
	if n := len(sandboxes()); n != 1 {
		err = errors.Join(err, fmt.Errorf("%d containers run", n))
	}
	_, stopped := systemctl("stop", unit)
	return errors.Join(err, stopped, properties(unit, map[string]string{"ActiveState": "inactive", "Result": "success"}),
		eventually(func() bool { return len(sandboxes()) == 0 && scopes() == 0 }))
}

// newUnit: what systemd reads of a command line is what was written, whatever
// is in it.
func newUnit() (err error) {
	const odd = "a \"b\" 'c' $d ${e} %n \\x41 \\; é"
	script := "test \"$ODD\" = \"$1\" || exit 9; exec sleep 300"
	made := []string{"-e", "ODD=" + odd, "dir:" + tree, "/bin/sh", "-c", script, "sh", odd}
	unit, undo, err := generate("vm-new", []string{"--new"}, made)
	defer func() { err = errors.Join(err, undo()) }()
	if err != nil {
		return err
	}
	if e, err := run("rm", "vm-new"); err != nil || e.code != 0 {
		return errors.Join(err, errors.New(e.String()))
	}
	if _, err := systemctl("start", unit); err != nil {
		return err
	}
	err = eventually(func() bool {
		for id := range sandboxes() {
			r := running{id: id}
			if r.find() != nil {
				continue
			}
			command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.pid))
			if strings.HasPrefix(string(command), "sleep\x00") {
				return true
			}
		}
		return false
	})
	_, stopped := systemctl("stop", unit)
	return errors.Join(err, stopped, properties(unit, map[string]string{"ActiveState": "inactive", "Result": "success"}),
		eventually(func() bool { return len(sandboxes()) == 0 && scopes() == 0 }))
}

// socketUnit: a container without a network answers on a socket of systemd's.
func socketUnit() (err error) {
	const profile, address = "/var/tmp/vm-socket.yaml", "127.0.0.1:8899"
	text := "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: vm-socket}\nextends: [default]\n" +
		"process:\n  socketActivation: {allow: true, why: systemd listens}\n"
	if err := os.WriteFile(profile, []byte(text), 0o644); err != nil {
		return err
	}
	defer os.Remove(profile)
	made := []string{"--profile", profile, "--network", "none", "dir:" + tree, "/peek", "serve", "from inside"}
	unit, undo, err := generate("vm-socket", []string{"--new"}, made)
	socket := strings.TrimSuffix(unit, ".service") + ".socket"
	defer func() { err = errors.Join(err, undo()) }()
	if err != nil {
		return err
	}
	if e, err := run("rm", "vm-socket"); err != nil || e.code != 0 {
		return errors.Join(err, errors.New(e.String()))
	}
	if err := os.WriteFile(filepath.Join(unitDir, socket), []byte("[Socket]\nListenStream="+address+"\n"), 0o644); err != nil {
		return err
	}
	if _, err := systemctl("daemon-reload"); err != nil {
		return err
	}
	if _, err := systemctl("start", socket); err != nil {
		return err
	}
	answer, err := ask(address)
	if err == nil && answer != "from inside" {
		err = fmt.Errorf("the answer is %q", answer)
	}
	_, stopped := systemctl("stop", socket)
	return errors.Join(err, stopped, eventually(func() bool { return len(sandboxes()) == 0 && scopes() == 0 }))
}

// ask reads what an address says.
func ask(address string) (string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return strings.TrimSpace(string(answer)), err
}
