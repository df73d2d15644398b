package sandbox

import (
	"bytes"
	"testing"

	"github.com/safe-run/safe-run/sandbox/runc"
)

func TestExecWatch(t *testing.T) {
	const refused = "the kernel refused it" // what is known without a line
	tests := []struct {
		name     string
		writes   []string
		ran      bool
		out      string
		reason   string
		notFound bool
	}{
		{"init's line", []string{"exec /bin/app: exec format error\n"}, false, "", "exec format error", false},
		{"in pieces", []string{"ex", "ec /bin/app: no such", " file or directory\n"}, false, "", "the interpreter or loader that it names is not in the image", true},
		{"a program that looks like init", []string{"exec /bin/app: exec format error\n"}, true, "exec /bin/app: exec format error\n", "", false},
		{"more lines", []string{"exec /a: b\n", "more\n"}, false, "exec /a: b\nmore\n", refused, false},
		{"ordinary output", []string{"hello\n", "exec /a: b\n"}, false, "hello\nexec /a: b\n", refused, false},
		{"no path", []string{"exec a: b\n"}, false, "exec a: b\n", refused, false},
		{"silence", nil, false, "", refused, false},
		{"too long", []string{"exec /" + string(bytes.Repeat([]byte("a"), maxHeld)) + ": b\n"}, false, "exec /" + string(bytes.Repeat([]byte("a"), maxHeld)) + ": b\n", refused, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			w := &execWatch{out: &out}
			for _, s := range tt.writes {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
			var failed *runc.ExecError
			if !tt.ran {
				failed = &runc.ExecError{Program: "/bin/app", Reason: refused}
			}
			failed = w.failure(failed)
			if out.String() != tt.out {
				t.Errorf("passed on %q, want %q", out.String(), tt.out)
			}
			if (failed != nil) != (tt.reason != "") {
				t.Fatalf("failure = %v, want reason %q", failed, tt.reason)
			}
			if failed != nil && (failed.Reason != tt.reason || failed.NotFound != tt.notFound) {
				t.Errorf("failure = %+v", failed)
			}
		})
	}
}
