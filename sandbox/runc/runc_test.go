package runc

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec/problem"
)

func TestDeaf(t *testing.T) {
	const none = "0000000000000000"
	status := func(blocked, ignored, caught string) string {
		return "Name:\tx\nSigPnd:\t" + none + "\nSigBlk:\t" + blocked + "\nSigIgn:\t" + ignored + "\nSigCgt:\t" + caught + "\n"
	}
	const term = "0000000000004000" // bit 14
	tests := []struct {
		name, status string
		want         bool
	}{
		{"default action", status(none, none, none), true},
		{"caught", status(none, none, term), false},
		{"ignored", status(none, term, none), false},
		{"blocked, for sigwait", status(term, none, none), false},
		{"another is caught", status(none, none, "0000000000000002"), true},
		{"cut short", "SigBlk:\t" + none + "\n", false},
		{"garbage", status("x", none, none), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := deaf(tt.status, syscall.SIGTERM); got != tt.want {
				t.Errorf("deaf = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestWaitsForSignals(t *testing.T) {
	for call, want := range map[string]bool{
		"128 0x7ffd 0x0 0x0 0x8 0x0 0x0 0x7ffd 0x7f\n": true,
		"1288 0x0": false, "running\n": false, "": false, "-1 0x7ffd 0x7f\n": false,
	} {
		if runtime.GOARCH != "amd64" {
			t.Skip("NOT CHECKED: the number of rt_sigtimedwait on " + runtime.GOARCH)
		}
		if got := waitsForSignals(call); got != want {
			t.Errorf("waitsForSignals(%q) = %v", call, got)
		}
	}
}

func TestExecError(t *testing.T) {
	tests := []struct {
		name, text, program string
		notFound, ok        bool
	}{
		{"not in the path", `unable to start container process: error during container init: exec: "app": executable file not found in $PATH`, "app", true, true},
		{"no such file", `unable to start container process: error during container init: exec: "/app": stat /app: no such file or directory`, "/app", true, true},
		{"not executable", `unable to start container process: error during container init: exec: "/app": permission denied`, "/app", false, true},
		{"something else", `unable to start container process: error mounting "proc"`, "", false, false},
		{"something else again", `mkdir /proc/1/fd/7: not a directory`, "", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e *ExecError
			err := execError(errors.New(tt.text), []string{tt.program})
			if ok := errors.As(err, &e); ok != tt.ok {
				t.Fatalf("an ExecError: %v, want %v", ok, tt.ok)
			}
			if !tt.ok && problem.HintOf(err) == "" {
				t.Errorf("%v has no hint", err)
			}
			if tt.ok && (e.Program != tt.program || e.NotFound != tt.notFound) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestConvertRlimits(t *testing.T) {
	got, err := convertRlimits([]specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1, Hard: 2}})
	if err != nil || len(got) != 1 || got[0].Type != syscall.RLIMIT_NOFILE || got[0].Soft != 1 || got[0].Hard != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := convertRlimits([]specs.POSIXRlimit{{Type: "RLIMIT_NOPE"}}); err == nil {
		t.Error("a limit that is not known was dropped in silence")
	}
}

func TestOwnProcs(t *testing.T) {
	procs := ownProcs()
	data, err := os.ReadFile(procs)
	if err != nil {
		t.Fatalf("the group of this process: %v", err)
	}
	if !slices.Contains(strings.Fields(string(data)), strconv.Itoa(os.Getpid())) {
		t.Errorf("%s does not list this process", procs)
	}
}

// TestLeaveOut: the period that every control group has is not written, others are.
func TestLeaveOut(t *testing.T) {
	for _, tt := range []struct {
		quota        int64
		period, want uint64
	}{{50_000, 100_000, 0}, {50_000, 20_000, 20_000}, {0, 100_000, 100_000}} {
		r := &cgroups.Resources{CpuQuota: tt.quota, CpuPeriod: tt.period}
		if leaveOut(r); r.CpuPeriod != tt.want || r.CpuQuota != tt.quota {
			t.Errorf("%+v: quota %d, period %d", tt, r.CpuQuota, r.CpuPeriod)
		}
	}
}
