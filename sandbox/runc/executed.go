package runc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// forkNoExec is PF_FORKNOEXEC (linux/sched.h): a fork has it until it executes
// a program, and never again.
const forkNoExec = 0x40

// awaitEnd waits until the first process has ended and says whether it ever
// executed its program. Init is a fork of a fork, and executes nothing else. It
// must be asked before the process is reaped; when the kernel does not say, it
// did.
func awaitEnd(pid int) (executed bool) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT|unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return true
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || hasExecuted(string(stat))
	}
}

// hasExecuted reads field 9 of /proc/PID/stat (proc_pid_stat(5)), the flags.
// Field 2, the name, may hold spaces and parentheses.
func hasExecuted(stat string) bool {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 7 {
		return true
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	return err != nil || flags&forkNoExec == 0
}
