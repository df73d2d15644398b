package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLogs: both streams, in the order of each, with time, tail and bounds.
func TestLogs(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, nil, "sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.05; done; printf end")
	y.must(t, "wait", id)
	got := y.run(t, "logs", id)
	if got.out != "out 1\nout 2\nout 3\nend" || got.err != "err 1\nerr 2\nerr 3\n" {
		t.Errorf("logs: %+v", got)
	}
	if got := y.run(t, "logs", "--tail", "1", id); got.out != "end" || got.err != "" {
		t.Errorf("logs --tail 1: %+v", got)
	}
	if got := y.run(t, "logs", "--until", "1h", id); got.out+got.err != "" {
		t.Errorf("logs --until 1h: %+v", got)
	}
	if got := y.run(t, "logs", "--since", "1h", "-t", id); !strings.HasPrefix(got.out, time.Now().UTC().Format("2006-")) || !strings.Contains(got.out, "Z out 3\n") {
		t.Errorf("logs -t: %+v", got)
	}
	if got := y.run(t, "logs", "--since", "yesterday", id); got.code != 1 || !strings.Contains(got.err, "is not a time") {
		t.Errorf("logs --since yesterday: %+v", got)
	}
}

// TestLogsFollow: what is followed arrives as it comes, whole, through
// rotations, and ends with the container.
func TestLogsFollow(t *testing.T) {
	y := newYard(t)
	const lines = 3000
	id := y.detach(t, []string{"--log-opt", "max-size=64k", "--log-opt", "max-file=4"},
		"sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); [ $((i%%50)) = 0 ] && sleep 0.02; done", lines))
	got := y.run(t, "logs", "-f", id)
	want := &bytes.Buffer{}
	for i := range lines {
		fmt.Fprintf(want, "line %d\n", i)
	}
	if got.code != 0 || got.out != want.String() {
		t.Errorf("logs -f: exit code %d, %d bytes, want %d", got.code, len(got.out), want.Len())
	}
	if s := y.becomes(t, id, "exited"); s.ExitCode != 0 {
		t.Errorf("ended as %+v", s)
	}
	rotated, _ := filepath.Glob(filepath.Join(y.ledger, id, "log", "json.log.*"))
	if len(rotated) == 0 {
		t.Error("the log was never rotated, so that nothing was tested")
	}
}

// TestLogFlood: a container that writes without end neither fills the disk nor
// is held up, and can be stopped.
func TestLogFlood(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, []string{"--log-opt", "max-size=1m", "--log-opt", "max-file=2"}, "sh", "-c", "yes")
	time.Sleep(2 * time.Second)
	y.must(t, "stop", "-t", "1", id)
	var total int64
	err := filepath.WalkDir(filepath.Join(y.ledger, id), func(path string, e fs.DirEntry, err error) error {
		if info, ierr := os.Lstat(path); ierr == nil && !e.IsDir() {
			total += info.Size()
		}
		return err
	})
	if err != nil || total > 2<<20+64<<10 || total < 1<<20 {
		t.Errorf("the log has %d bytes, %v; want at most 2 MiB and a little", total, err)
	}
}

// TestLogOnAFullDisk: the container goes on, and the log says what is missing.
func TestLogOnAFullDisk(t *testing.T) {
	y := newYard(t)
	small := t.TempDir()
	mustRun(t, "mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small)
	t.Cleanup(func() { mustRun(t, "umount", small) })
	y.ledger = filepath.Join(small, "ledger")
	t.Cleanup(func() { y.run(t, append([]string{"rm", "-f"}, y.ids()...)...) })
	id := y.detach(t, []string{"--name", "full"}, "sh", "-c", "sleep 0.3; yes | head -c 2000000; echo done >&2; exec sleep 100")
	time.Sleep(1500 * time.Millisecond)
	if s := y.see(t, "full"); s.Status != "running" {
		t.Errorf("on a full disk: %+v", s)
	}
	if err := os.Truncate(filepath.Join(y.ledger, id, "log", "json.log"), 0); err != nil {
		t.Fatal(err)
	}
	if got := y.run(t, "stop", "-t", "0", "full"); got.code != 0 {
		t.Errorf("stop: %+v", got)
	}
	if s := y.see(t, "full"); s.Status != "exited" {
		t.Errorf("after the stop: %+v", s)
	}
}
