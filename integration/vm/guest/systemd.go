package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

var underSystemd = []check{
	{"the container is a scope of systemd's with the limits", scope},
	{"limits outlive systemctl daemon-reload", reload},
	{"a scope that is stopped ends its launcher in order", stopped},
	{"a service that runs a container stops with it", service},
	{"a generated unit starts and ends a container of the ledger", ledgerUnit},
	{"a generated unit runs a container anew, with odd arguments", newUnit},
	{"a socket unit has a container without a network answer", socketUnit},
	{"an exported unit holds a program as a container does", exportedUnit},
	{"no unit is left, and none has failed", units},
}

// systemctl gives what it prints.
func systemctl(args ...string) (string, error) {
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("systemctl %v: %w\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out)), err
}

// properties compares those of a unit.
func properties(unit string, wanted map[string]string) error {
	var errs []error
	for name, value := range wanted {
		got, err := systemctl("show", "--value", "-p", name, unit)
		if err == nil && got != value {
			err = fmt.Errorf("%s of %s is %q, want %q", name, unit, got, value)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func scope() error {
	r, err := start(in(nil, "sleep", "5m")...)
	if err != nil {
		return err
	}
	unit := filepath.Base(r.dir)
	if want := "/sys/fs/cgroup/system.slice/safe-run-" + r.id[:12]; !strings.HasPrefix(r.dir, want) || !strings.HasSuffix(r.dir, ".scope") {
		err = fmt.Errorf("the group is %s, want %s....scope", r.dir, want)
	}
	return errors.Join(err, properties(unit, map[string]string{
		"ActiveState": "active", "Slice": "system.slice", "TasksMax": "128",
		"MemoryMax": "536870912", "MemorySwapMax": "0", "CPUQuotaPerSecUSec": "1s", "DevicePolicy": "strict",
	}), r.end(syscall.SIGTERM))
}

// reload makes systemd write again what it knows of a unit. memory.oom.group is
// not among it before version 253: there the launcher kills the group.
func reload() error {
	if err := limitsAfterReload(); err != nil {
		return err
	}
	return reloadedOOM()
}

func limitsAfterReload() error {
	r, err := start(in(nil, "sleep", "5m")...)
	if err != nil {
		return err
	}
	_, err = systemctl("daemon-reload")
	for name, value := range map[string]string{
		"memory.max": "536870912", "memory.swap.max": "0", "pids.max": "128", "cpu.max": "100000 100000",
	} {
		if got := r.file(name); got != value {
			err = errors.Join(err, fmt.Errorf("%s is %q, want %q", name, got, value))
		}
	}
	return errors.Join(err, r.end(syscall.SIGTERM))
}

// reloadedOOM has a child killed for memory after a reload.
func reloadedOOM() error {
	const script = "echo ready; read line; /peek alloc 200; sleep 5; echo survived"
	r, err := start("-i", "--memory", "64m", "dir:"+tree, "/bin/sh", "-c", script)
	if err != nil {
		return err
	}
	_, err = systemctl("daemon-reload")
	fmt.Fprintln(r.in)
	r.cmd.Wait()
	if code := r.cmd.ProcessState.ExitCode(); code != 137 || !strings.Contains(r.errs.String(), "out of memory") {
		err = errors.Join(err, fmt.Errorf("exit code %d, %q, want 137 and out of memory", code, r.errs.String()))
	}
	return err
}

// stopped has the scope, its keeper and all, taken away from the launcher.
func stopped() error {
	r, err := start(in(nil, "sleep", "5m")...)
	if err != nil {
		return err
	}
	_, err = systemctl("stop", filepath.Base(r.dir))
	r.cmd.Wait()
	if code := r.cmd.ProcessState.ExitCode(); code == 0 || code == 125 {
		err = errors.Join(err, fmt.Errorf("exit code %d, %q, want the program's end", code, r.errs.String()))
	}
	return err
}

// service has systemd run safe-run, and stop it.
func service() error {
	args := append([]string{"--unit=vm-service", "--quiet", "--collect", safeRun}, in(nil, "sleep", "5m")...)
	if out, err := exec.Command("systemd-run", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("systemd-run: %w\n%s", err, out)
	}
	if err := eventually(func() bool { return len(sandboxes()) == 1 && scopes() == 1 }); err != nil {
		return err
	}
	if _, err := systemctl("stop", "vm-service"); err != nil {
		return err
	}
	return eventually(func() bool { return len(sandboxes()) == 0 && scopes() == 0 })
}

// scopes counts those of safe-run that systemd knows.
func scopes() int {
	out, err := systemctl("list-units", "--all", "--plain", "--no-legend", "safe-run-*")
	if err != nil || out == "" {
		return 0
	}
	return strings.Count(out, "\n") + 1
}

func units() error {
	left, err := systemctl("list-units", "--all", "--plain", "--no-legend", "safe-run-*")
	failed, err2 := systemctl("list-units", "--failed", "--plain", "--no-legend")
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if left+failed != "" {
		return fmt.Errorf("left: %s\nfailed: %s", left, failed)
	}
	return nil
}
