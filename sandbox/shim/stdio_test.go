package shim

import (
	"io"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestLateReader: what is written before the reader comes is not lost, also when
// the writer is closed at once.
func TestLateReader(t *testing.T) {
	name := fifo(t)
	read := make(chan string)
	go func() {
		time.Sleep(50 * time.Millisecond)
		f, err := os.Open(name)
		if err != nil {
			read <- err.Error()
			return
		}
		defer f.Close()
		data, _ := io.ReadAll(f)
		read <- string(data)
	}()
	w, err := openFifo(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("early"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got := <-read; got != "early" {
		t.Errorf("the reader got %q", got)
	}
}

// TestCloseEndsWriting: a fifo that is full and has no reader does not hold up
// who closes it.
func TestCloseEndsWriting(t *testing.T) {
	name := fifo(t)
	r, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &streams{}
	out, err := s.outputTo(name)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := s.attach(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			if _, err := out.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	s.close()
	s.copies.Wait() // for ever, if it were held up
	out.Close()
}

// TestCloseInput: the process sees the end of its input when CloseIO has been
// asked for and its clients have gone, and not before.
func TestCloseInput(t *testing.T) {
	name := fifo(t)
	s := &streams{}
	in, err := s.input(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.attach(); err != nil {
		t.Fatal(err)
	}
	client, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = client.WriteString("first ")
	client.Close()
	client, err = os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = client.WriteString("second")
	s.closeInput()
	client.Close()
	data, err := io.ReadAll(in)
	if string(data) != "first second" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	in.Close()
	s.close()
}

func TestArguments(t *testing.T) {
	u, err := url.Parse("binary:///bin/x?b=2&a=1&c")
	if err != nil {
		t.Fatal(err)
	}
	if got := arguments(u.Query()); !reflect.DeepEqual(got, []string{"a", "1", "b", "2", "c", ""}) {
		t.Errorf("%q", got)
	}
}

func TestUnknownScheme(t *testing.T) {
	s := &streams{}
	if err := s.open(stdio{stdout: "ftp://x"}, logged{}); err == nil {
		t.Error("ftp was taken")
	}
	s.handedOver()
	s.close()
}
