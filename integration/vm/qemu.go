package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// machine is one virtual machine.
type machine struct {
	name      string // what manages its control groups: cgroupfs or systemd
	root      root
	initrd    string
	dir       string
	accel     string // tcg emulates the processor
	arguments string // for the guest, on the kernel's command line
}

// command is the command line of the machine. The first serial line is the
// kernel's console, the second takes the results.
func (m machine) command(console, results string) []string {
	return []string{
		"qemu-system-x86_64", "-accel", m.accel, "-cpu", cpu(m.accel), "-smp", "1", "-m", "1024",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", m.root.kernel, "-initrd", m.initrd,
		"-append", "console=ttyS0 panic=-1 quiet no_timer_check net.ifnames=0 systemd.wants=vm.service systemd.mask=serial-getty@ttyS0.service systemd.mask=podman-restart.service systemd.mask=podman-auto-update.timer systemd.mask=podman.socket vm.guest=" + m.name + " " + m.arguments,
		"-device", "virtio-rng-pci",
		// What is written to the disk goes to a file that has no name.
		"-drive", "if=virtio,format=raw,snapshot=on,file=" + m.root.disk,
		"-serial", "file:" + console, "-serial", "file:" + results,
	}
}

// run starts the machine, waits until it has switched itself off, and gives
// what it said.
func (m machine) run(ctx context.Context) report {
	begun := time.Now()
	console, results := filepath.Join(m.dir, m.name+".console"), filepath.Join(m.dir, m.name+".results")
	line := m.command(console, results)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &errs, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("it hung: not off after %s", patience)
	}
	r := report{name: m.name, console: console}
	data, rerr := os.ReadFile(results)
	r.read(string(data))
	if err = errors.Join(err, rerr); err == nil && !r.complete {
		err = errors.New("it went off before its checks were over")
	}
	if err != nil {
		r.broken = fmt.Sprintf("%v\n%sthe end of its console:\n%s\nits command line:\n%s",
			err, errs.String(), tail(console, 40), quoted(line))
	}
	r.took = time.Since(begun)
	return r
}

// tail gives the last lines of a file.
func tail(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// quoted is a command line that can be typed.
func quoted(line []string) string {
	words := make([]string, len(line))
	for i, word := range line {
		if words[i] = word; strings.ContainsAny(word, " ,'") {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// cpu is the processor. Emulated it has no cmpxchg16b, after which QEMU 7.2 gives
// flags that were never set (see sandbox/vm), and a kernel dies of them.
func cpu(accel string) string {
	if strings.HasPrefix(accel, "tcg") {
		return "max,-cx16"
	}
	return "max"
}
