package ledger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/event"
)

// eventsDir is where events are kept; its name is no id.
const eventsDir = "events"

// maxEvents bounds a file of events; there are two.
const maxEvents = 4 << 20

// Emit writes an event down. It is for people and never fails what it tells of:
// on a full disk it is lost.
func (l *Ledger) Emit(e event.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	line, err := json.Marshal(e)
	if err != nil {
		return
	}
	dir := filepath.Join(l.dir, eventsDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return
	}
	f, err := os.OpenFile(filepath.Join(dir, logFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return
	}
	defer f.Close() // and unlocks
	if unix.Flock(int(f.Fd()), unix.LOCK_EX) != nil {
		return
	}
	if info, err := f.Stat(); err != nil || info.Size() > maxEvents {
		_ = os.Rename(filepath.Join(dir, logFile), filepath.Join(dir, logFile+".1"))
	}
	_, _ = f.Write(append(line, '\n'))
}
