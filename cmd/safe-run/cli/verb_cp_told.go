package cli

import (
	"fmt"
	"time"

	"golang.org/x/term"

	"github.com/safe-run/safe-run/spec/problem"
)

// copied tells how a copy goes, on standard error: the other may be an archive.
type copied struct {
	*copying
	container string
	bytes     int64
	left      int
	// every is how often it is told on a terminal; zero: never.
	every time.Duration
	last  time.Time
}

// mostLeftOut bounds the lines about what is not copied.
const mostLeftOut = 10

func newCopied(c *copying, container string) *copied {
	t := &copied{copying: c, container: container, last: time.Now()}
	if !c.quiet && c.format != formatJSON && term.IsTerminal(int(c.std.Err.Fd())) {
		t.every = 200 * time.Millisecond
	}
	return t
}

func (t *copied) more(bytes int64) {
	t.bytes += bytes
	if t.every == 0 || time.Since(t.last) < t.every {
		return
	}
	t.last = time.Now()
	direction := "to"
	if t.from.container != "" {
		direction = "from"
	}
	fmt.Fprintf(t.std.Err, "\r\x1b[KCopying %s container - %s", direction, decimalSize(uint64(t.bytes)))
}

func (t *copied) clear() {
	if t.every != 0 {
		fmt.Fprint(t.std.Err, "\r\x1b[K")
	}
}

func (t *copied) leftOut(what string) {
	if t.left++; t.left <= mostLeftOut && t.format != formatJSON {
		t.clear()
		fmt.Fprintln(t.std.Err, "safe-run: "+printable(what))
	}
}

// end says what was copied, as docker does.
func (t *copied) end(err error) error {
	t.clear()
	switch {
	case err != nil:
		return err
	case t.left > 0:
		return problem.New("everything else was", "%d of the files could not be copied, or not whole", t.left)
	case t.quiet || t.format == formatJSON:
		return nil
	}
	to := t.to.typed
	if t.to.container != "" {
		to = t.container + ":" + t.to.path
	} else if to == streamed {
		to = "standard output"
	}
	_, err = fmt.Fprintf(t.std.Err, "Successfully copied %s to %s\n", decimalSize(uint64(t.bytes)), printable(to))
	return err
}
