package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const groups = "/sys/fs/cgroup"

// ordinary is a user who is not root.
const ordinary = 1000

var ociEverywhere = []check{
	{"safe-run-oci: a container's life, in a group of cgroupfs", func() error {
		return life(&bundle{group: groups + "/vm-oci", config: "/vm-oci"})
	}},
	{"safe-run-oci: a terminal", ociTerminal},
	{"safe-run-oci --rootless: an ordinary user without a control group", rootless},
	{"safe-run-oci --rootless: a container's life, below a group of the user's", rootlessLife},
}

var ociUnderSystemd = []check{
	{"safe-run-oci --systemd-cgroup: a container's life, as a scope", func() error {
		return life(&bundle{
			group: groups + "/system.slice/vm-oci.scope", config: "system.slice:vm:oci", flags: []string{"--systemd-cgroup"},
		})
	}},
	{"safe-run-oci --systemd-cgroup: a scope of the user's own systemd", rootlessScope},
	{"podman with safe-run-oci", podman},
}

// inBundle makes a bundle, and removes it when something was done with it.
func (b *bundle) inBundle(do func() error) (err error) {
	if b.dir, err = os.MkdirTemp("/var/tmp", "oci"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := errors.Join(os.Chmod(b.dir, 0o755), b.make()); err != nil {
		return err
	}
	defer b.call("delete", "--force", "c")
	return do()
}

// steps are a container's life up to its end. An emulated processor needs more
// than a second for each, so that not all are made for everybody.
var steps = []struct {
	line, words string
	code        int
	brief       bool
}{
	{"create c", "", 0, true}, {"state c", `"created"`, 0, false}, {"start c", "", 0, true}, {"state c", `"running"`, 0, false},
	{"exec c id -u", "0", 0, true}, {"exec c nope", "", 255, false},
	{"pause c", "", 0, true}, {"state c", `"paused"`, 0, true}, {"resume c", "", 0, true},
	{"update --memory 48m --pids-limit 21 c", "", 0, true}, {"events --stats c", `"limit":50331648`, 0, true},
	{"ps --format json c", "[", 0, false}, {"delete c", "", 1, false},
}

// life takes a container from create to delete.
func life(b *bundle) error {
	return b.inBundle(func() error {
		if err := b.command(false, "sleep", "600"); err != nil {
			return err
		}
		for _, step := range steps {
			if step.brief || b.user == 0 {
				if err := b.want(step.code, step.words, strings.Fields(step.line)...); err != nil {
					return err
				}
			}
		}
		for name, value := range map[string]string{"memory.max": "50331648", "pids.max": "21", "cgroup.freeze": "0"} {
			data, err := os.ReadFile(filepath.Join(b.group, name))
			if got := strings.TrimSpace(string(data)); err != nil || got != value {
				return fmt.Errorf("%s of %s is %q, want %q (%v)", name, b.group, got, value, err)
			}
		}
		if err := b.want(0, "", "kill", "c", "KILL"); err != nil {
			return err
		}
		err := eventually(func() bool { return b.want(0, `"stopped"`, "state", "c") == nil })
		return errors.Join(err, b.want(0, "", "delete", "c"), b.want(1, "", "state", "c"))
	})
}

func ociTerminal() error {
	b := &bundle{group: groups + "/vm-oci", config: "/vm-oci"}
	return b.inBundle(func() error {
		if err := b.command(true, "sh", "-c", "[ -t 0 ] && [ -t 2 ] && echo a terminal; exit 5"); err != nil {
			return err
		}
		e, err := b.onTerminal("run", "c")
		if err == nil && (e.code != 5 || e.out != "a terminal") {
			err = fmt.Errorf("%s, want exit code 5", e)
		}
		return err
	})
}

// rootless goes without what an ordinary user may not do.
func rootless() error {
	b := &bundle{user: ordinary, flags: []string{"--rootless=true"}}
	return b.inBundle(func() error {
		return errors.Join(b.command(false, "sh", "-c", "id -u; exit 3"), b.want(3, "0", "run", "c"))
	})
}

// rootlessLife has a group that was given to the user, as systemd's Delegate=
// gives one.
func rootlessLife() (err error) {
	const given = groups + "/vm-given"
	if err := delegate(given); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(given+"/callers"), os.Remove(given)) }()
	return life(&bundle{
		user: ordinary, flags: []string{"--rootless", "auto"},
		group: given + "/oci", config: "/vm-given/oci", callers: given + "/callers",
	})
}

// delegate makes a group with its files the user's, and one below it for calls.
func delegate(group string) error {
	if err := os.MkdirAll(group+"/callers", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(groups+"/cgroup.subtree_control", []byte("+cpu +memory +pids"), 0); err != nil {
		return err
	}
	for _, name := range []string{"", "/callers"} {
		for _, file := range []string{"", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"} {
			if err := os.Chown(group+name+file, ordinary, ordinary); err != nil {
				return err
			}
		}
	}
	return nil
}

// rootlessScope asks the systemd of the user.
func rootlessScope() (err error) {
	if err := account(); err != nil {
		return err
	}
	if _, err := systemctl("start", "user@1000.service"); err != nil {
		said, _ := exec.Command("journalctl", "-u", "user@1000.service", "-n", "20", "-o", "cat").CombinedOutput()
		return fmt.Errorf("%w\n%s", err, said)
	}
	defer func() {
		_, stopped := systemctl("stop", "user@1000.service", "user-runtime-dir@1000.service", "user-1000.slice")
		err = errors.Join(err, stopped)
	}()
	const below = groups + "/user.slice/user-1000.slice/user@1000.service"
	if err := os.Mkdir(below+"/callers", 0o755); err != nil {
		return err
	}
	for _, file := range []string{"", "/cgroup.procs"} {
		if err := os.Chown(below+"/callers"+file, ordinary, ordinary); err != nil {
			return err
		}
	}
	return life(&bundle{
		user: ordinary, flags: []string{"--systemd-cgroup"}, callers: below + "/callers",
		group: below + "/user.slice/vm-oci.scope", config: "user.slice:vm:oci",
		env: []string{"XDG_RUNTIME_DIR=/run/user/1000", "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus"},
	})
}

// account gives the ordinary user a name, and no password that could be wrong.
func account() error {
	for name, line := range map[string]string{"/etc/passwd": "vm:*:1000:1000::/var/tmp:/bin/sh\n", "/etc/group": "vm:*:1000:\n"} {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if strings.Contains(string(data), line) {
			continue
		}
		if err := os.WriteFile(name, append(data, line...), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// podman runs a container in a scope of systemd's, its monitor in another.
func podman() error {
	b := &bundle{}
	return b.inBundle(func() error {
		defer systemctl("stop", "machine.slice")
		cmd := exec.Command("podman", "--root", b.dir+"/store", "--runroot", b.dir+"/run", "--storage-driver", "vfs",
			"--cgroup-manager", "systemd", "--events-backend", "file", "--runtime", safeRunOCI,
			"run", "--rm", "--network", "none", "--memory", "64m", "--rootfs", b.dir+"/rootfs",
			"sh", "-c", "id -u; cat /sys/fs/cgroup/memory.max; exit 3")
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(out.String(), "67108864") {
			return fmt.Errorf("exit code %d, %q, %q (%v)", code, out.String(), errs.String(), err)
		}
		return nil
	})
}
