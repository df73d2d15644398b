package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
)

func FuzzFrame(f *testing.F) {
	f.Add(frame(frameStdin, []byte("x")))
	f.Add([]byte{'R', 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, text, err := readFrame(bytes.NewReader(data))
		if err == nil && !bytes.HasPrefix(data, frame(kind, text)) {
			t.Errorf("%q is read as %c %q", data, kind, text)
		}
		if len(text) > maxFrame {
			t.Errorf("a frame of %d bytes was read", len(text))
		}
	})
}

// connected gives both ends of a socket.
func connected(t *testing.T) (here, there *net.UnixConn) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(t.TempDir(), "s")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if there, err = net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close() })
	if here, err = l.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	return here, there
}

// TestHub: what is written is in the log and with who is attached; one who
// reads nothing holds nobody up for long; the end reaches all who wait.
func TestHub(t *testing.T) {
	dir := t.TempDir()
	log, err := ledger.OpenLog(dir, ledger.LogLimit{})
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(log)
	lazy, _ := connected(t)
	h.add(lazy, true)
	waiter, awaited := connected(t)
	h.add(waiter, false)
	keen, read := connected(t)
	h.add(keen, true)
	got := make(chan string, 1)
	go func() {
		var text strings.Builder
		for {
			kind, data, err := readFrame(read)
			if err != nil || kind == frameEnd {
				got <- text.String()
				return
			}
			text.Write(data)
		}
	}()
	out, _ := h.outputs()
	line := strings.Repeat("x", 4095) + "\n"
	begun := time.Now()
	for range 1000 {
		if n, err := io.WriteString(out, line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if took := time.Since(begun); took > clientPatience+5*time.Second {
		t.Errorf("a client that reads nothing held the container up for %v", took)
	}
	h.ended(ledger.State{Status: ledger.Restarting, ExitCode: 1})
	h.ended(ledger.State{Status: ledger.Exited, ExitCode: 3})
	h.close()
	if text := <-got; text != strings.Repeat(line, 1000) {
		t.Errorf("who is attached got %d bytes", len(text))
	}
	if end, err := awaitEnd(awaited); err != nil || end.ExitCode != 3 {
		t.Errorf("who waits got %+v, %v", end, err)
	}
	lines := 0
	if err := ledger.ReadLog(dir, ledger.LogQuery{Tail: -1}, func(ledger.LogLine) error { lines++; return nil }); err != nil || lines != 1000 {
		t.Errorf("the log has %d lines, %v", lines, err)
	}
}

func TestOrderIsBounded(t *testing.T) {
	data, err := json.Marshal(Order{ID: "x", Args: []string{strings.Repeat("\x01", 2<<20)}})
	if err != nil || len(data) > maxOrder {
		t.Errorf("the longest command line is an order of %d bytes, %v; %d are read", len(data), err, maxOrder)
	}
}

func TestMayDetach(t *testing.T) {
	for line, want := range map[string]bool{
		"-d img": true, "-itd img": true, "--detach img": true, "--detach=true img": true, "-m 1g -d img": true,
		"img": false, "-it img": false, "--detach-keys a img": false, "-- -d": false, "--device x": false,
	} {
		if got := mayDetach(strings.Fields(line)); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}
