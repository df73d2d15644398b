package image

import (
	"os"
	"strings"
	"testing"
	"time"
)

// archiver makes a script the program that knows archives.
func archiver(t *testing.T, script string) {
	t.Helper()
	program := t.TempDir() + "/program"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SAFE_RUN_IMAGE", program)
}

// TestStopArchive: the program ends though nobody writes to it any more; what it
// had said by then is told.
func TestStopArchive(t *testing.T) {
	for script, want := range map[string]string{
		"echo ready; exec cat": "",
		"echo broken >&2":      "broken",
	} {
		if want != "" {
			script += "; exit 1"
		}
		archiver(t, "#!/bin/sh\n"+script+"\n")
		in, producer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		a, frames, err := OpenArchive(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = frames.Read(make([]byte, 16)) // until it is ready, or has ended
		ended := make(chan error, 1)
		go func() { ended <- a.Stop() }()
		select {
		case err := <-ended:
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", script, err)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s: it does not end", script)
		}
		in.Close()
		producer.Close()
	}
}

// TestArchiveWithoutProgram: of one that cannot start no pipe is left.
func TestArchiveWithoutProgram(t *testing.T) {
	archiver(t, "#!/nowhere/program\n")
	before, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, _, err := OpenArchive(t.Context(), os.Stdin); err == nil {
			t.Error("read by nothing")
		}
		if _, _, err := CreateArchive(t.Context(), os.Stdout); err == nil {
			t.Error("written by nothing")
		}
	}
	after, err := os.ReadDir("/proc/self/fd")
	if err != nil || len(after) > len(before)+10 {
		t.Errorf("%d open files, before it were %d, %v", len(after), len(before), err)
	}
}
