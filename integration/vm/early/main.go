// Command early is the first program of the machine: it mounts the disk, copies
// onto it what is to be tested, and gives the machine to the system on the disk.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if err := start(); err != nil {
		fmt.Println("early:", err)
	}
	// There is nothing to go back to: with this the machine goes off.
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func start() error {
	for _, m := range [][3]string{{"devtmpfs", "/dev", "devtmpfs"}, {"proc", "/proc", "proc"}} {
		if err := unix.Mount(m[0], m[1], m[2], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	if err := loadModules(); err != nil {
		return err
	}
	if err := mountDisk(); err != nil {
		return err
	}
	if err := copyPayload(); err != nil {
		return err
	}
	return switchRoot()
}

// loadModules loads what pack.go put here, in the order of the names.
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
		// A processor without the instruction has no use for its module.
		if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("load %s: %w", path, err)
		}
	}
	return nil
}

// mountDisk waits for the disk, which shows up a moment after its driver.
func mountDisk() error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Mount("/dev/vda", "/new", "ext4", 0, "")
		if err == nil || !errors.Is(err, fs.ErrNotExist) || time.Now().After(deadline) {
			return os.NewSyscallError("mount /dev/vda", err)
		}
	}
}

func copyPayload() error {
	const target = "/new/opt/vm"
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	files, err := filepath.Glob("/payload/*")
	if err != nil {
		return err
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		// The first root stays in memory for good; its files need not.
		if err := errors.Join(os.WriteFile(filepath.Join(target, filepath.Base(path)), data, 0o755), os.Remove(path)); err != nil {
			return err
		}
	}
	return os.WriteFile("/new/etc/systemd/system/vm.service", []byte(unit), 0o644)
}

// unit runs the checks under systemd, when it is up, and switches off after them.
const unit = `[Unit]
Description=the checks
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
ExecStart=/opt/vm/guest
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/ttyS0
`

// switchRoot makes the disk the root, as switch_root(8) does: the kernel's
// first root cannot be pivoted away (Documentation/filesystems/ramfs-rootfs-initramfs.rst).
func switchRoot() error {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	if err := errors.Join(
		unix.Mount("/dev", "/new/dev", "", unix.MS_MOVE, ""), unix.Mount("/proc", "/new/proc", "", unix.MS_MOVE, ""),
		os.Chdir("/new"), unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), os.Chdir("/"),
	); err != nil {
		return fmt.Errorf("switch the root: %w", err)
	}
	if strings.Contains(string(line), "vm.guest=systemd") {
		return unix.Exec("/sbin/init", []string{"/sbin/init"}, []string{"TERM=linux"})
	}
	return unix.Exec("/opt/vm/guest", []string{"guest"}, []string{"TERM=linux"})
}
