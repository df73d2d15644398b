package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/console"

	"github.com/safe-run/safe-run/sandbox/image/pull"
)

// clock is a time that tests move.
type clock struct{ now time.Time }

func (c *clock) add(d time.Duration) { c.now = c.now.Add(d) }

// barsOn is a progress that draws on v when it is told to.
func barsOn(v *terminal) (*progress, *clock) {
	c := &clock{time.Unix(1e9, 0)}
	p := &progress{w: v, what: "app:1", now: func() time.Time { return c.now }, stop: make(chan struct{})}
	p.started, p.next = c.now, c.now.Add(patience)
	p.screen = &screen{w: v, size: func() (int, int) { return v.columns, v.rows }}
	return p, c
}

func blob(n int) string { return fmt.Sprintf("sha256:%064x", n*0x1111+0xabc)[:71] }

func at(layer, layers int, stage pull.Stage, bytes int64) pull.Progress {
	return pull.Progress{Layer: layer, Layers: layers, Blob: blob(layer), Stage: stage, Bytes: bytes, Total: 100 << 20}
}

func TestBars(t *testing.T) {
	v := newTerminal(t, 100, 24)
	fmt.Fprintln(v, "$ safe-run image pull app:1")
	p, c := barsOn(v)
	p.show(at(1, 3, pull.Fetching, 0))
	p.show(at(3, 3, pull.Present, 0))
	p.draw()
	if got := v.screen(); strings.Contains(got, "fetching") {
		t.Errorf("shown before the patience had ended: %s", got)
	}
	c.add(time.Second)
	p.show(at(1, 3, pull.Fetching, 50<<20))
	p.draw()
	lines := strings.Split(v.screen(), "\n")
	if len(lines) != 4 || !strings.Contains(lines[1], "fetching ") || !strings.Contains(lines[1], "50.0 MiB / 100 MiB") || !strings.Contains(lines[1], "50.0 MiB/s") ||
		!strings.Contains(lines[1], "=>   ") || !strings.Contains(lines[2], "waiting") || !strings.Contains(lines[3], "present") {
		t.Errorf("the screen shows %s", v)
	}
	p.show(at(1, 3, pull.Done, 0))
	p.draw()
	if got := strings.Split(v.screen(), "\n"); len(got) != 4 || !strings.HasSuffix(got[1], "done") {
		t.Errorf("drawn again, the screen shows %s", v)
	}
	c.add(time.Second)
	p.show(at(2, 3, pull.Done, 0))
	p.end(nil)
	if got, want := v.screen(), "$ safe-run image pull app:1\napp:1: 3 layers, 200 MiB, 2.0 s"; got != want {
		t.Errorf("in the end the screen shows %q, want %q", got, want)
	}
}

// TestBarsNarrow: how far a layer is, and of how much, is the last to go.
func TestBarsNarrow(t *testing.T) {
	for _, c := range []struct {
		columns int
		total   int64
		want    string
	}{
		{61, 100 << 20, "000000000000  fetching      50.0 MiB / 100 MiB    25.0 MiB/s"},
		{48, 100 << 20, "000000000000  fetching  50.0 MiB / 100 MiB"},
		{40, 100 << 20, "000000000000  fetching  50% of 100 MiB"},
		{37, 100 << 20, "000000000000  fetch  50% of 100 MiB"},
		{30, 100 << 20, "000000 fetch 50% of 100 MiB"},
		{20, 100 << 20, "000000 fetch 50%"},
		{40, -1, "000000000000  fetching  50.0 MiB"},
	} {
		v := newTerminal(t, c.columns, 24)
		p, clock := barsOn(v)
		s := at(1, 1, pull.Fetching, 0)
		s.Blob, s.Total = fmt.Sprintf("sha256:%064x", 0), c.total
		p.show(s)
		clock.add(2 * time.Second)
		s.Bytes = 50 << 20
		p.show(s)
		p.draw()
		if got := v.screen(); got != c.want {
			t.Errorf("at %d columns: %q, want %q", c.columns, got, c.want)
		}
	}
}

// TestTold: what shall be known stays above what is drawn.
func TestTold(t *testing.T) {
	v := newTerminal(t, 80, 24)
	p, c := barsOn(v)
	p.say("looking")
	c.add(time.Second)
	p.show(at(1, 1, pull.Fetching, 0))
	p.draw()
	p.tell("found app:1 in docker-daemon")
	p.draw()
	if got := v.screen(); !strings.HasPrefix(got, "found app:1 in docker-daemon\nlooking\n") || strings.Count(got, "fetching") != 1 {
		t.Errorf("the screen shows %s", v)
	}
	p.end(errors.New("no"))
	if got := v.screen(); got != "found app:1 in docker-daemon" {
		t.Errorf("in the end the screen shows %s", v)
	}
}

// TestBarsResized draws on a terminal that changes its width.
func TestBarsResized(t *testing.T) {
	v := newTerminal(t, 120, 24)
	fmt.Fprintln(v, "$ pull")
	p, c := barsOn(v)
	const n = 5
	c.add(time.Second)
	for step, columns := range []int{120, 60, 33, 80, 20, 119} {
		v.resize(columns)
		for i := range n {
			p.show(at(i+1, n, pull.Fetching, int64(step)<<20))
		}
		p.draw()
		lines := strings.Split(v.screen(), "\n")
		if len(lines) != n+1 || lines[0] != "$ pull" {
			t.Errorf("at %d columns the screen shows %s", columns, v)
		}
		for _, line := range lines[1:] {
			if len(line) >= columns || !strings.Contains(line, "fetch") {
				t.Errorf("at %d columns a line is %q", columns, line)
			}
		}
	}
	for _, columns := range []int{1, 2, 300} {
		v.resize(columns)
		p.draw()
	}
	v.resize(120)
	p.draw()
	p.end(errors.New("no"))
	if got := v.screen(); strings.Contains(got, "layers") {
		t.Errorf("after an error the screen says %q", got)
	}
}

// TestBarsHidden: where there are more layers than lines, those that are
// finished are left out first, and then those that wait.
func TestBarsHidden(t *testing.T) {
	v := newTerminal(t, 80, 8)
	p, c := barsOn(v)
	const n = 20
	c.add(time.Second)
	for step := range 9 {
		for i := range n {
			stage := pull.Waiting
			switch {
			case i < step*2:
				stage = pull.Done
			case i < step*2+2:
				stage = pull.Fetching
			}
			p.show(at(i+1, n, stage, int64(step)<<20))
		}
		p.draw()
		got := v.screen()
		if lines := strings.Count(got, "\n") + 1; lines >= v.rows || strings.Count(got, "fetching") != 2 || strings.Contains(got, "done\n") ||
			!strings.HasPrefix(got[strings.LastIndex(got, "\n")+1:], fmt.Sprintf("%d of 20 layers done, ", step*2)) {
			t.Errorf("step %d: the screen shows %s", step, v)
		}
	}
}

func TestBarsColour(t *testing.T) {
	for _, noColour := range []string{"", "1"} {
		t.Setenv("NO_COLOR", noColour)
		var out bytes.Buffer
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		s := newScreen(null)
		s.w = &out
		s.show([]line{{"x  ", "done     ", ""}})
		if got := strings.Contains(out.String(), "\x1b[32m"); got != (noColour == "") {
			t.Errorf("NO_COLOR=%q: %q", noColour, out.String())
		}
	}
}

// TestLines checks what a log gets: little, and nothing that moves a cursor.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(1e9, 0)}
	p := newProgress(&out, "app:1\x1b[2J", false)
	p.now, p.started, p.next = func() time.Time { return c.now }, c.now, c.now.Add(patience)
	for i := range 600 {
		c.add(100 * time.Millisecond)
		stage := pull.Fetching
		if i >= 300 {
			stage = pull.Unpacking
		}
		p.show(at(1, 2, stage, int64(i)<<17))
	}
	p.show(at(1, 2, pull.Done, 0))
	p.end(nil)
	text := out.String()
	if n := strings.Count(text, "\n"); n < 5 || n > 14 {
		t.Errorf("%d lines in a minute: %s", n, text)
	}
	for _, want := range []string{`app:1\x1b[2J: fetching, 0 of 2 layers done, `, ": unpacking, 0 of 2", ": 2 layers, ", "60.0 s\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.ContainsRune(text, '\x1b') || strings.ContainsRune(text, '\r') {
		t.Errorf("it moves the cursor: %q", text)
	}
}

// TestProgressSilent: nothing is said of what is quick, or when -q was written.
func TestProgressSilent(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		var out bytes.Buffer
		p := newProgress(&out, "app", quiet)
		if quiet {
			p.next = p.started.Add(-time.Hour)
			p.say("looking")
		}
		p.show(at(1, 1, pull.Fetching, 1))
		p.show(pull.Progress{Layer: 0, Layers: 0})
		p.end(nil)
		if out.Len() > 0 {
			t.Errorf("quiet %t: said %q", quiet, out.String())
		}
	}
}

// TestProgressOnTerminal draws on a real one, from many goroutines.
func TestProgressOnTerminal(t *testing.T) {
	master, name, err := console.NewPty()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := master.Resize(console.WinSize{Width: 70, Height: 20}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TERM", "xterm")
	v := newTerminal(t, 70, 20)
	var read sync.WaitGroup
	read.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := master.Read(buf)
			_, _ = v.Write(buf[:n])
			if err != nil {
				return
			}
		}
	})
	p := newProgress(slave, "app:1", false)
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for n := range 80 {
				p.show(at(i+1, 4, pull.Fetching, int64(n)<<20))
				p.say(fmt.Sprintf("trying %d", n))
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	writers.Wait()
	time.Sleep(2 * terminalPace)
	if got := v.screen(); strings.Count(got, "fetching") != 4 || !strings.Contains(got, "79.0 MiB / 100 MiB") || !strings.HasPrefix(got, "trying 79") {
		t.Errorf("the terminal shows %s", v)
	}
	p.end(nil)
	time.Sleep(terminalPace)
	if got := v.screen(); !strings.HasPrefix(got, "app:1: 4 layers, ") || strings.Contains(got, "\n") {
		t.Errorf("in the end the terminal shows %s", v)
	}
	slave.Close()
	master.Close()
	read.Wait()
}
