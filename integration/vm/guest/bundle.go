package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const safeRunOCI = payload + "/safe-run-oci"

// bundle is one for safe-run-oci, and how that is called for it.
type bundle struct {
	dir     string
	group   string   // where its control group is
	config  any      // what config.json says of the group
	flags   []string // in front of the verb
	user    uint32   // who calls
	env     []string
	callers string // the control group that calls come from; empty is this one
}

// make makes the bundle, with a shell in it.
func (b *bundle) make() error {
	root := filepath.Join(b.dir, "rootfs")
	for _, name := range []string{"bin", "proc", "sys", "dev", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	program, err := os.ReadFile("/bin/busybox")
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "bin/busybox"), program, 0o755)
	}
	for _, name := range []string{"sh", "sleep", "id", "cat"} {
		err = errors.Join(err, os.Symlink("busybox", filepath.Join(root, "bin", name)))
	}
	if err != nil {
		return err
	}
	err = filepath.WalkDir(b.dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, int(b.user), int(b.user)))
	})
	if err != nil {
		return err
	}
	spec := []string{"spec"}
	if b.user != 0 {
		spec = append(spec, "--rootless")
	}
	return b.want(0, "", spec...)
}

// command has the first process run something else.
func (b *bundle) command(terminal bool, args ...string) error {
	name := filepath.Join(b.dir, "config.json")
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		return err
	}
	process, _ := config["process"].(map[string]any)
	linux, _ := config["linux"].(map[string]any)
	process["terminal"], process["args"] = terminal, args
	if b.config != nil {
		linux["cgroupsPath"] = b.config
	}
	if data, err = json.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// prepared is a call. What it starts has files for its streams, because pipes
// would be waited for.
func (b *bundle) prepared(args ...string) (cmd *exec.Cmd, done func(), err error) {
	all := append([]string{"--root", filepath.Join(b.dir, "state")}, b.flags...)
	cmd = exec.Command(safeRunOCI, append(all, args...)...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), b.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if b.user != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: b.user, Gid: b.user}
	}
	if b.callers == "" {
		return cmd, func() {}, nil
	}
	group, err := os.Open(b.callers)
	if err != nil {
		return nil, nil, err
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
	return cmd, func() { group.Close() }, nil
}

// call runs safe-run-oci to its end.
func (b *bundle) call(args ...string) (ended, error) {
	cmd, done, err := b.prepared(args...)
	if err != nil {
		return ended{}, err
	}
	defer done()
	var files [2]*os.File
	for i := range files {
		if files[i], err = os.CreateTemp("/var/tmp", "out"); err != nil {
			return ended{}, err
		}
		defer os.Remove(files[i].Name())
		defer files[i].Close()
	}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return ended{}, err
	}
	var texts [2]string
	for i, f := range files {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			return ended{}, err
		}
		texts[i] = strings.TrimSpace(string(data))
	}
	return ended{cmd.ProcessState.ExitCode(), texts[0], texts[1]}, nil
}

// want compares the exit code, and looks for words in the output.
func (b *bundle) want(code int, words string, args ...string) error {
	e, err := b.call(args...)
	if err == nil && (e.code != code || !strings.Contains(e.out, words)) {
		err = fmt.Errorf("%v: %s, want exit code %d and %q", args, e, code, words)
	}
	return err
}

// onTerminal runs safe-run-oci with a terminal.
func (b *bundle) onTerminal(args ...string) (ended, error) {
	master, slave, err := openTerminal()
	if err != nil {
		return ended{}, err
	}
	defer master.Close()
	defer slave.Close()
	cmd, done, err := b.prepared(args...)
	if err != nil {
		return ended{}, err
	}
	defer done()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		return ended{}, err
	}
	slave.Close()
	var out bytes.Buffer
	_, _ = io.Copy(&out, master) // ends with EIO
	_ = cmd.Wait()
	return ended{code: cmd.ProcessState.ExitCode(), out: strings.TrimSpace(out.String())}, nil
}
