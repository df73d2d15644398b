package profiles

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
	"pgregory.net/rapid"
)

func TestParseBytes(t *testing.T) {
	good := map[string]Bytes{
		"0": 0, "4096": 4096, "1b": 1, "64m": 64 << 20, "64M": 64 << 20, "64mb": 64 << 20, "64MiB": 64 << 20,
		"1g": 1 << 30, "1GB": 1 << 30, "1.5GiB": 3 << 29, "512k": 512 << 10, "0.1k": 102, "2TiB": 2 << 40, "1p": 1 << 50,
		"9223372036854775807": 1<<63 - 1,
	}
	for text, want := range good {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	bad := []string{
		"", "-1", "m", ".5g", "1.", "1..2k", "64i", "64ib", "64mi", "64 m", "1e3", "0x10", "1_000", "64mbb", "unlimited",
		"9223372036854775808", "8388608TiB", "99999999999999999999999999999999999999g", "1é",
	}
	for _, text := range bad {
		wantRefused(t, "ParseBytes", text, func() error { _, err := ParseBytes(text); return err })
	}
}

func TestParseMilliCPU(t *testing.T) {
	good := map[string]MilliCPU{"1": 1000, "0.5": 500, "500m": 500, "1.25": 1250, "0.001": 1, "2.500": 2500, "16": 16000, "0": 0}
	for text, want := range good {
		if got, err := ParseMilliCPU(text); err != nil || got != want {
			t.Errorf("ParseMilliCPU(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "0.0001", "1.5m", "m", "1e3", "all", "99999999999", "1,5"} {
		wantRefused(t, "ParseMilliCPU", text, func() error { _, err := ParseMilliCPU(text); return err })
	}
}

func TestParseDuration(t *testing.T) {
	if d, err := ParseDuration("1m30s"); err != nil || d.String() != "1m30s" {
		t.Errorf("ParseDuration(1m30s) = %v, %v", d, err)
	}
	for _, text := range []string{"", "-1s", "10", "1 minute", "9999999h"} {
		wantRefused(t, "ParseDuration", text, func() error { _, err := ParseDuration(text); return err })
	}
}

func TestParseMode(t *testing.T) {
	for text, want := range map[string]Mode{"755": 0o755, "0755": 0o755, "0o755": 0o755, "1777": 0o1777, "0": 0, "07777": 0o7777} {
		if got, err := ParseMode(text); err != nil || got != want {
			t.Errorf("ParseMode(%q) = %o, %v; want %o", text, got, err, want)
		}
	}
	if got := Mode(0o1777).String(); got != "01777" {
		t.Errorf("mode prints as %s", got)
	}
	for _, text := range []string{"", "0o", "8", "10000", "-1", "rwx", "0x1ff", "+755"} {
		wantRefused(t, "ParseMode", text, func() error { _, err := ParseMode(text); return err })
	}
}

func TestParseSignal(t *testing.T) {
	good := map[string]Signal{
		"SIGTERM": "SIGTERM", "term": "SIGTERM", "15": "SIGTERM", "sigquit": "SIGQUIT", "SIGIOT": "SIGABRT", "cld": "SIGCHLD",
		"34": "SIGRTMIN", "SIGRTMIN+3": "SIGRTMIN+3", "RTMAX": "SIGRTMIN+30", "rtmax-1": "SIGRTMIN+29", "64": "SIGRTMIN+30",
	}
	for text, want := range good {
		if got, err := ParseSignal(text); err != nil || got != want {
			t.Errorf("ParseSignal(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "SIG", "0", "32", "33", "65", "-9", "SIGRTMIN+31", "SIGRTMIN-1", "RTMAX+1", "RTMIN+", "SIGFOO", "99999999999999999999"} {
		wantRefused(t, "ParseSignal", text, func() error { _, err := ParseSignal(text); return err })
	}
	for n := 1; n <= signalRTMax; n++ {
		s, err := ParseSignal(fmt.Sprint(n))
		if n == 32 || n == 33 {
			continue
		}
		if err != nil || s.Number() != n {
			t.Errorf("signal %d is %q with number %d, %v", n, s, s.Number(), err)
		}
	}
	if n := Signal("SIGFOO").Number(); n != 0 {
		t.Errorf("SIGFOO has number %d", n)
	}
}

// wantRefused checks that bad input gives one line and a hint.
func wantRefused(t *testing.T, what, text string, parse func() error) {
	t.Helper()
	err := parse()
	switch {
	case err == nil:
		t.Errorf("%s(%q) is accepted", what, text)
	case problem.HintOf(err) == "" || strings.Contains(err.Error(), "\n"):
		t.Errorf("%s(%q): %q with hint %q", what, text, err, problem.HintOf(err))
	}
}

func TestScalarsPrintWhatTheyParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Min(0).Draw(t, "n")
		if back, err := ParseBytes(Bytes(n).String()); err != nil || back != Bytes(n) {
			t.Fatalf("%d bytes print as %s, read as %d, %v", n, Bytes(n), back, err)
		}
		cpu := MilliCPU(rapid.Int64Range(0, 1<<31-1).Draw(t, "cpu"))
		if back, err := ParseMilliCPU(cpu.String()); err != nil || back != cpu {
			t.Fatalf("%d milli print as %s, read as %d, %v", int64(cpu), cpu, back, err)
		}
		if back, err := ParseDuration(Duration(n).String()); err != nil || back != Duration(n) {
			t.Fatalf("%d ns print as %s, read as %d, %v", n, Duration(n), back, err)
		}
		mode := Mode(rapid.Uint32Range(0, 0o7777).Draw(t, "mode"))
		if back, err := ParseMode(mode.String()); err != nil || back != mode {
			t.Fatalf("mode %o prints as %s, reads as %o, %v", uint32(mode), mode, back, err)
		}
	})
}

func TestJSONIsReadable(t *testing.T) {
	memory, cpus, timeout := Bytes(512<<20), MilliCPU(1500), Duration(10e9)
	p := Profile{
		Metadata:  Metadata{Name: "p"},
		Process:   Process{StopTimeout: &timeout, Capabilities: []Capability{}},
		Resources: Resources{Memory: &memory, CPUs: &cpus},
	}
	out, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"memory":"512MiB"`, `"cpus":"1.5"`, `"stopTimeout":"10s"`, `"capabilities":[]`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	if strings.Contains(string(out), "rlimits") {
		t.Errorf("what is not set is in %s", out)
	}
}

func TestParseCapability(t *testing.T) {
	for _, text := range []string{"NET_ADMIN", "cap_net_admin", "CAP_NET_ADMIN"} {
		if got, err := ParseCapability(text); err != nil || got != "NET_ADMIN" {
			t.Errorf("ParseCapability(%q) = %q, %v", text, got, err)
		}
	}
	_, err := ParseCapability("NET_ADMN")
	if err == nil || err.Error() != `unknown capability "NET_ADMN", did you mean "NET_ADMIN"?` {
		t.Errorf("a slip gives %v", err)
	}
}
