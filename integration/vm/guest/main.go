// Command guest runs inside the machine: it checks safe-run there and writes one
// line a check to the second serial line. As the first process it also sets the
// machine up, and switches it off at the end.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	if os.Getpid() == 1 {
		beFirst()
		return
	}
	out, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	r := &results{out: out}
	r.all()
	r.say("end")
}

// beFirst does what an init does: mount what programs expect, reap the
// orphans, and end the machine.
func beFirst() {
	if err := mountAll(); err != nil {
		fmt.Println("guest:", err)
	} else if err := checkAndReap(); err != nil {
		fmt.Println("guest:", err)
	}
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
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
	return exec.Command("/sbin/ip", "link", "set", "lo", "up").Run()
}

// checkAndReap starts this program again and waits for it, and for every
// orphan that ends before it: the warden of a killed launcher is one.
func checkAndReap() error {
	child, err := os.StartProcess("/proc/self/exe", []string{"guest"}, &os.ProcAttr{
		Env:   []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"},
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return err
	}
	for {
		pid, err := unix.Wait4(-1, nil, 0, nil)
		if pid == child.Pid || err != nil && err != unix.EINTR {
			return err
		}
	}
}

// results writes the lines that the harness reads.
type results struct {
	out *os.File
}

func (r *results) say(format string, args ...any) {
	fmt.Fprintf(r.out, format+"\n", args...)
}

// about says more of the check before it.
func (r *results) about(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		r.say("| %s", strings.TrimRight(line, "\n"))
	}
}

// parameter gives a value of the kernel's command line.
func parameter(name string) string {
	line, _ := os.ReadFile("/proc/cmdline")
	for _, field := range strings.Fields(string(line)) {
		if value, is := strings.CutPrefix(field, name+"="); is {
			return value
		}
	}
	return ""
}
