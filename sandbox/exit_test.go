package sandbox

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
)

func TestExitTellsTheCause(t *testing.T) {
	limits := spec.Limits{MemoryBytes: 512 << 20, Pids: 128}
	exited := func(code int) syscall.WaitStatus { return syscall.WaitStatus(code << 8) }
	killed := func(sig syscall.Signal) syscall.WaitStatus { return syscall.WaitStatus(sig) }
	tests := []struct {
		name   string
		status syscall.WaitStatus
		usage  runc.Usage
		code   int
		cause  Cause
		line   string
	}{
		{"fine", exited(0), runc.Usage{}, 0, CauseExited, ""},
		{"its own error", exited(3), runc.Usage{}, 3, CauseExited, ""},
		{"out of memory", killed(syscall.SIGKILL), runc.Usage{OOMKills: 1, MemoryPeak: 512 << 20}, 137, CauseOOM, "out of memory (limit 512 MiB, peak 512 MiB)"},
		{"killed from outside", killed(syscall.SIGKILL), runc.Usage{}, 137, CauseSignal, "killed by signal 9"},
		{"a child ran out of memory", exited(1), runc.Usage{OOMKills: 2}, 1, CauseExited, "2 processes were killed for memory"},
		{"seccomp", killed(syscall.SIGSYS), runc.Usage{}, 159, CauseSeccomp, "seccomp"},
		{"seccomp behind init", exited(159), runc.Usage{}, 159, CauseSeccomp, "seccomp"},
		{"pids limit", exited(1), runc.Usage{PidsDenied: 7}, 1, CauseExited, "pids limit (128) refused 7"},
		{"pids limit survived", exited(0), runc.Usage{PidsDenied: 7}, 0, CauseExited, ""},
		{"segfault", killed(syscall.SIGSEGV), runc.Usage{}, 139, CauseSignal, "segmentation fault"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newExit(tt.status, tt.usage, limits)
			if e.Code != tt.code || e.Cause != tt.cause {
				t.Errorf("code %d cause %s, want %d %s", e.Code, e.Cause, tt.code, tt.cause)
			}
			line, _ := e.Explain()
			if (line == "") != (tt.line == "") || !strings.Contains(line, tt.line) {
				t.Errorf("Explain = %q, want %q in it", line, tt.line)
			}
		})
	}
}

// TestLimitDenials: what the limits refused comes with limits that allow more.
func TestLimitDenials(t *testing.T) {
	e := newExit(0, runc.Usage{OOMKills: 2, PidsDenied: 7}, spec.Limits{MemoryBytes: 512 << 20, Pids: 128})
	list := e.limitDenials(time.Unix(1, 0))
	if len(list) != 2 || list[0].Count != 2 || list[1].Count != 7 {
		t.Fatalf("%+v", list)
	}
	if got, want := fmt.Sprint(list[0].Allow, list[1].Allow), "[resources:   memory: 1GiB] [resources:   pids: 256]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if list := (Exit{}).limitDenials(time.Unix(1, 0)); len(list) > 0 {
		t.Errorf("nothing was refused: %+v", list)
	}
}
