package runc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Deaf says whether the first process leaves sig to its default action: it
// neither catches nor ignores nor blocks nor waits for it. When the kernel does
// not say, it is not.
func (c *Container) Deaf(sig syscall.Signal) bool {
	call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", c.pid))
	if err != nil || waitsForSignals(string(call)) {
		return false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid))
	return err == nil && deaf(string(status), sig)
}

// waitsForSignals reads /proc/PID/syscall (proc_pid_syscall(5)). While a
// process waits in rt_sigtimedwait(2), as init programs do, the kernel shows
// the signals that it waits for as not blocked.
func waitsForSignals(call string) bool {
	number, _, _ := strings.Cut(strings.TrimSpace(call), " ")
	return number == strconv.Itoa(unix.SYS_RT_SIGTIMEDWAIT)
}

// deaf reads the masks of /proc/PID/status (proc_pid_status(5)): hexadecimal,
// the lowest bit is signal 1.
func deaf(status string, sig syscall.Signal) bool {
	masks := 0
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "SigBlk", "SigIgn", "SigCgt":
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil || mask&(1<<(uint(sig)-1)) != 0 {
				return false
			}
			masks++
		}
	}
	return masks == 3
}
