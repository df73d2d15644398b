// Package guest is what runs as the first process of a machine of package vm: it
// mounts what programs expect, runs the command that it was ordered to, passes on
// what that writes, and switches the machine off.
package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/vm"
)

// Main is the life of the machine; it does not return.
func Main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "safe-run: this is for the first process of a virtual machine")
		os.Exit(1)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
	}
	// There is nothing to go back to: with this the machine goes off.
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func run() error {
	if err := enter(); err != nil {
		return err
	}
	if err := mountAll(); err != nil {
		return err
	}
	data, err := os.ReadFile(vm.OrderFile)
	if err != nil {
		return err
	}
	var orders vm.Orders
	if err := json.Unmarshal(data, &orders); err != nil {
		return err
	}
	results, err := openResults()
	if err != nil {
		return err
	}
	fmt.Fprintln(results, vm.LineBegin)
	code, err := command(orders, results)
	if err != nil {
		return err
	}
	fmt.Fprintf(results, "%s%d\n", vm.LineEnd, code)
	return drain(results)
}

// openResults opens the second serial line, which changes nothing of what goes
// through it.
func openResults() (*os.File, error) {
	out, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	raw, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	if err == nil {
		raw.Oflag &^= unix.OPOST
		err = unix.IoctlSetTermios(int(out.Fd()), unix.TCSETS, raw)
	}
	return out, err
}

// drain waits until the line has taken everything.
func drain(out *os.File) error {
	return unix.IoctlSetInt(int(out.Fd()), unix.TCSBRK, 1)
}

// command runs what was ordered and reaps every orphan that ends before it.
func command(orders vm.Orders, results io.Writer) (code int, err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	env := append([]string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/root", "TMPDIR=/var/tmp", "NO_COLOR=1"}, orders.Env...)
	if len(orders.Args) == 0 {
		return 0, errors.New("there is no command")
	}
	child, err := os.StartProcess(orders.Args[0], orders.Args, &os.ProcAttr{Env: env, Files: []*os.File{null, writer, os.Stderr}})
	writer.Close()
	if err != nil {
		return 0, err
	}
	var copied sync.WaitGroup
	copied.Go(func() {
		lines := bufio.NewReader(reader)
		for {
			line, err := lines.ReadString('\n')
			if line != "" {
				fmt.Fprintf(results, "%s%s\n", vm.LineOutput, trimmed(line))
			}
			if err != nil {
				return
			}
		}
	})
	code, err = reap(child.Pid)
	// Whoever still has the pipe is not waited for long.
	over := make(chan struct{})
	go func() { copied.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(10 * time.Second):
	}
	return code, err
}

func trimmed(line string) string {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		return line[:n-1]
	}
	return line
}

// reap waits for pid, and for whoever else ends.
func reap(pid int) (code int, err error) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case got == pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case got == pid:
			return status.ExitStatus(), nil
		}
	}
}

// enter loads the modules and makes the disk the root, as switch_root(8) does: the
// kernel's first root cannot be pivoted away
// (Documentation/filesystems/ramfs-rootfs-initramfs.rst).
func enter() error {
	for _, m := range [][3]string{{"devtmpfs", "/dev", "devtmpfs"}, {"proc", "/proc", "proc"}} {
		if err := unix.Mount(m[0], m[1], m[2], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	if err := loadModules(); err != nil {
		return err
	}
	// The disk shows up a moment after its driver.
	deadline := time.Now().Add(time.Minute)
	for {
		err := unix.Mount("/dev/vda", "/new", "ext4", unix.MS_NOATIME, "")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("mount /dev/vda: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := errors.Join(
		unix.Mount("/dev", "/new/dev", "", unix.MS_MOVE, ""), unix.Mount("/proc", "/new/proc", "", unix.MS_MOVE, ""),
		os.Chdir("/new"), unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), os.Chdir("/"),
	); err != nil {
		return fmt.Errorf("switch the root: %w", err)
	}
	return nil
}

// loadModules loads what the first root has, in the order of the names.
func loadModules() error {
	files, err := filepath.Glob("/modules/*")
	if err != nil {
		return err
	}
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(file.Fd()), "", 0)
		file.Close()
		// A processor without an instruction has no use for its module.
		if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("load %s: %w", path, err)
		}
	}
	return nil
}

func mountAll() error {
	for _, m := range []struct {
		path, kind, data string
		flags            uintptr
	}{
		{"/sys", "sysfs", "", unix.MS_NODEV},
		{"/sys/kernel/security", "securityfs", "", unix.MS_NODEV},
		{"/sys/fs/cgroup", "cgroup2", "", unix.MS_NODEV},
		{"/run", "tmpfs", "mode=755", unix.MS_NODEV},
		{"/tmp", "tmpfs", "mode=1777", unix.MS_NODEV},
		{"/dev/pts", "devpts", "ptmxmode=666,mode=620", 0},
		{"/dev/shm", "tmpfs", "mode=1777", unix.MS_NODEV},
	} {
		if err := os.MkdirAll(m.path, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.path, m.kind, unix.MS_NOSUID|m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.path, err)
		}
	}
	for _, link := range [][2]string{{"/proc/self/fd", "/dev/fd"}, {"fd/0", "/dev/stdin"}, {"fd/1", "/dev/stdout"}, {"fd/2", "/dev/stderr"}} {
		if err := os.Symlink(link[0], link[1]); err != nil {
			return err
		}
	}
	return loopbackUp()
}

// loopbackUp is `ip link set lo up`.
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("ioctl SIOCSIFFLAGS", unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request))
}
