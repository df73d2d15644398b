package source

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// answer is a body that is given up when its server makes no progress. Only
// the time in which we wait for the server counts.
type answer struct {
	*http.Response
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration

	waited time.Duration // since the last progress
	came   int           // bytes in that time
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	start := time.Now()
	a.timer.Reset(a.idle)
	n, err := a.Body.Read(p)
	a.timer.Stop()
	a.came += n
	if a.waited += time.Since(start); a.waited > a.idle && a.came < progress {
		a.cancel(errNoProgress)
		return n, errNoProgress
	}
	if a.came >= progress {
		a.waited, a.came = 0, 0
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = because(a.ctx, err)
	}
	return n, err
}

// Close implements io.Closer. The connection is used again when the body was
// read to its end.
func (a *answer) Close() error {
	a.timer.Stop()
	defer a.cancel(nil)
	return a.Body.Close()
}
