package sandbox

import (
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec/event"
)

// TestTelling: who reads is told everything, in order; who does not keeps nobody
// waiting.
func TestTelling(t *testing.T) {
	var got []string
	told := newTelling(func(d event.Denial) { got = append(got, d.Syscall) })
	for _, name := range []string{"a", "b", "c"} {
		told.add(event.Denial{Syscall: name})
	}
	told.settle()
	told.close()
	told.add(event.Denial{Syscall: "too late"})
	told.settle()
	told.close()
	if len(got) != 3 || got[0] != "a" || got[2] != "c" {
		t.Errorf("%q", got)
	}

	block := make(chan struct{})
	stuck := newTelling(func(event.Denial) { <-block })
	begun := time.Now()
	for range 3 * mostTelling {
		stuck.add(event.Denial{})
	}
	stuck.settle()
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("one who does not read kept the others waiting for %v", took)
	}
	close(block)
	stuck.close()
	newTelling(nil).add(event.Denial{})
}
