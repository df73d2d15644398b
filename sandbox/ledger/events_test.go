package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/event"
)

// heard gives the ids of all events.
func heard(t *testing.T, l *Ledger, since, until time.Time) string {
	t.Helper()
	var ids []string
	err := l.Events(t.Context(), since, until, false, func(e event.Event) error {
		ids = append(ids, e.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(ids, " ")
}

func happened(id string, at time.Time) event.Event {
	return event.Event{Time: at, Type: event.Container, Action: event.Start, ID: id}
}

func TestEvents(t *testing.T) {
	l := open(t)
	if got := heard(t, l, time.Time{}, time.Time{}); got != "" {
		t.Errorf("before anything happened: %q", got)
	}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	l.Emit(happened("a", at), happened("b", at.Add(time.Second)))
	l.Emit(happened("late", at.Add(time.Hour)), happened("c", at.Add(2*time.Second)))
	for _, test := range []struct {
		since, until time.Time
		want         string
	}{
		{time.Time{}, time.Time{}, "a b late c"},
		{at.Add(time.Second), time.Time{}, "b late c"},
		{time.Time{}, at.Add(2 * time.Second), "a b c"},
		{at.Add(time.Minute), at.Add(2 * time.Minute), ""},
	} {
		if got := heard(t, l, test.since, test.until); got != test.want {
			t.Errorf("from %v to %v: %q, want %q", test.since, test.until, got, test.want)
		}
	}
	stop := errors.New("stop")
	if err := l.Events(t.Context(), time.Time{}, time.Time{}, true, func(event.Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of emit: %v", err)
	}
	l.Emit(event.Event{Type: "no event"})
	l.Emit(event.Event{Type: event.Volume, Action: event.Create, ID: "now"})
	if got := heard(t, l, time.Now().Add(-time.Minute), time.Time{}); got != "now" {
		t.Errorf("without a time: %q", got)
	}
}

// TestEventsDamaged: what is no event is passed over, and what comes after it
// is not.
func TestEventsDamaged(t *testing.T) {
	l := open(t)
	l.Emit(happened("a", time.Now()))
	file := filepath.Join(l.dir, eventsDir, logFile)
	for _, damage := range []string{
		"\x00\x00\n", "{}\n", strings.Repeat("x", 3*event.MaxLine) + "\n", "[1,2]\n\n\n", `{"time":"20`, // killed in the middle
	} {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = f.WriteString(damage)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		l.Emit(happened(strconv.Itoa(len(damage)), time.Now()))
	}
	if got, want := heard(t, l, time.Time{}, time.Time{}), "a 3 3 196609 8 11"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// Nothing is waited for or followed that is no file.
	for _, make := range []func() error{
		func() error { return unix.Mkfifo(file, 0o600) },
		func() error { return os.Symlink("/etc/passwd", file) },
		func() error { return os.Mkdir(file, 0o700) },
	} {
		if err := errors.Join(os.RemoveAll(file), make()); err != nil {
			t.Fatal(err)
		}
		l.Emit(happened("b", time.Now()))
		if got := heard(t, l, time.Time{}, time.Time{}); got != "" {
			t.Errorf("%q", got)
		}
	}
}

// TestEmitDoesNotWait: one that was stopped with the lock in its hand holds
// nobody up for long, and nothing is lost.
func TestEmitDoesNotWait(t *testing.T) {
	l := open(t)
	l.Emit(happened("a", time.Now()))
	dir, err := l.events().open()
	if err != nil || !lockWithin(dir, unix.LOCK_EX) {
		t.Fatal(err)
	}
	defer dir.Close()
	l.Emit(happened("b", time.Now()))
	if got := heard(t, l, time.Time{}, time.Time{}); got != "a b" {
		t.Errorf("%q", got)
	}
}

// TestEventsRotated: two who write and one who reads, through many files: each
// event is read once, and in the order of its writer. They stay less than a file
// ahead of the reader, because two files is all that is kept.
func TestEventsRotated(t *testing.T) {
	const each, ahead = 2000, 40
	g := eventLog{filepath.Join(t.TempDir(), "events"), 8 << 10} // some 80 lines
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var read atomic.Int64
	var written atomic.Int64
	var writing sync.WaitGroup
	for writer := range 2 {
		writing.Go(func() {
			for i := range each {
				for written.Load()-read.Load() > ahead && ctx.Err() == nil {
					time.Sleep(100 * time.Microsecond)
				}
				if err := g.append(happened(fmt.Sprintf("%d-%d", writer, i), time.Now()).Line()); err != nil {
					t.Error(err)
				}
				written.Add(1)
			}
		})
	}
	var next [2]int
	r := &eventReader{log: g, emit: func(line []byte) error {
		e, err := event.Parse(line)
		var writer, i int
		if _, serr := fmt.Sscanf(e.ID, "%d-%d", &writer, &i); err != nil || serr != nil || i != next[writer] {
			return fmt.Errorf("%q after %v: %v", e.ID, next, err)
		}
		next[writer]++
		read.Add(1)
		return nil
	}}
	defer r.close()
	for read.Load() < 2*each {
		if err := r.next(); err != nil {
			t.Fatal(err)
		}
		if ctx.Err() != nil {
			t.Fatalf("after a minute %v have been read", next)
		}
	}
	writing.Wait()
	for _, name := range []string{logFile, logFile + ".1"} {
		if info, err := os.Stat(filepath.Join(g.dir, name)); err != nil || info.Size() > g.most {
			t.Errorf("%v %v", info, err)
		}
	}
	if names, _ := os.ReadDir(g.dir); len(names) != 2 {
		t.Errorf("%d files", len(names))
	}
}

// TestEventsFollowed: what happens while it waits is told, until its time has
// come or it is told to end.
func TestEventsFollowed(t *testing.T) {
	l := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- l.Events(ctx, time.Time{}, time.Time{}, true, func(e event.Event) error {
			got <- e.ID
			return nil
		})
	}()
	for _, id := range []string{"first", "second"} {
		l.Emit(happened(id, time.Now()))
		select {
		case told := <-got:
			if told != id {
				t.Errorf("%q, want %q", told, id)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("nothing is told")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	err := l.Events(t.Context(), time.Time{}, time.Now().Add(50*time.Millisecond), true, func(event.Event) error { return nil })
	if err != nil {
		t.Error(err)
	}
}

// TestEventsOnFullDisk: what does not fit whole is lost whole.
func TestEventsOnFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT CHECKED that events survive a full disk: not root")
	}
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("NOT CHECKED that events survive a full disk: %v", err)
	}
	defer unix.Unmount(mount, unix.MNT_DETACH)
	l, err := Open(filepath.Join(mount, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		l.Emit(happened(strconv.Itoa(i), time.Now()))
	}
	ids := strings.Fields(heard(t, l, time.Time{}, time.Time{}))
	if len(ids) < 100 || len(ids) == 2000 || ids[len(ids)-1] != strconv.Itoa(len(ids)-1) {
		t.Fatalf("%d are read, the last is %s", len(ids), ids[len(ids)-1])
	}
	data, err := os.ReadFile(filepath.Join(l.dir, eventsDir, logFile))
	if err != nil || data[len(data)-1] != '\n' {
		t.Errorf("it ends with %q, %v", data[max(0, len(data)-20):], err)
	}
}

func BenchmarkEmit(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "ledger"))
	if err != nil {
		b.Fatal(err)
	}
	e := happened(strings.Repeat("0", 64), time.Now())
	e.Attributes = map[string]string{"name": "site", "image": "dir:/srv/app", "profile": "default"}
	for b.Loop() {
		l.Emit(e, e)
	}
}
