package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// jumps are what a clock may do between two looks.
var jumps = map[string]time.Duration{"ten years ahead": 87600 * time.Hour, "ten years back": -87600 * time.Hour}

// TestClockJumps: whatever the times of a container's files say, it is neither
// lost nor taken for another kind.
func TestClockJumps(t *testing.T) {
	for name, jump := range jumps {
		t.Run(name, func(t *testing.T) {
			l := open(t)
			shift := func(id string) {
				then := time.Now().Add(-jump)
				if err := os.Chtimes(l.Dir(id), then, then); err != nil {
					t.Fatal(err)
				}
			}
			live := create(t, l, Container{ID: id("a"), Name: "live", Created: time.Now().Add(-jump)})
			if err := live.SetState(State{Status: Running, Pid: 1, Started: time.Now().Add(-jump)}); err != nil {
				t.Fatal(err)
			}
			ended := create(t, l, Container{ID: id("b"), Name: "ended", Created: time.Now().Add(-jump)})
			if err := ended.SetState(State{Status: Exited, Started: time.Now(), Finished: time.Now().Add(-jump)}); err != nil {
				t.Fatal(err)
			}
			ended.Close()
			making := create(t, l, Container{ID: id("c"), Name: "making"}) // without a state
			for _, id := range []string{id("a"), id("b"), id("c")} {
				shift(id)
			}
			if removed, died, err := l.Sweep(); len(removed)+len(died) > 0 || err != nil {
				t.Errorf("Sweep: %+v, %+v, %v", removed, died, err)
			}
			for name, want := range map[string]Status{"live": Running, "ended": Exited, "making": Created} {
				if _, s, err := l.Find(name); err != nil || s.Status != want {
					t.Errorf("%s: %+v, %v, want %s", name, s, err, want)
				}
			}
			live.Close()
			making.Close()
			if removed, died, err := l.Sweep(); len(removed) != 1 || len(died) != 1 || err != nil {
				t.Errorf("Sweep: %+v, %+v, %v", removed, died, err)
			}
			if _, s, err := l.Find("live"); err != nil || s.Status != Dead || s.Finished.Before(s.Started) {
				t.Errorf("without its supervisor: %+v, %v", s, err)
			}
		})
	}
}

// TestHalfMadeIsListed: what was not made to the end is hidden for a minute only,
// also when the clock has been set back since.
func TestHalfMadeIsListed(t *testing.T) {
	for name, jump := range jumps {
		l := open(t)
		if err := os.Mkdir(l.Dir(id("a")), 0o700); err != nil {
			t.Fatal(err)
		}
		if list, err := l.List(); err != nil || len(list) != 0 {
			t.Errorf("one that is just being made is listed: %+v, %v", list, err)
		}
		then := time.Now().Add(-jump)
		if err := os.Chtimes(l.Dir(id("a")), then, then); err != nil {
			t.Fatal(err)
		}
		if list, err := l.List(); err != nil || len(list) != 1 || !errors.Is(list[0].Damage, ErrDamaged) {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
}

// TestLogAfterAClockJump: lines keep their order, and none is lost because
// another has a time that it cannot have.
func TestLogAfterAClockJump(t *testing.T) {
	dir := t.TempDir()
	at := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	var text []byte
	for _, year := range []int{2026, 2036, 2027, 1970, 2028} {
		text = appendEntry(text, []byte(at(year).Format("2006\n")), Stdout, at(year))
	}
	if err := os.WriteFile(filepath.Join(dir, logFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		q    LogQuery
		want string
	}{
		{LogQuery{Tail: -1}, "2026\n2036\n2027\n1970\n2028\n"},
		{LogQuery{Tail: 2}, "1970\n2028\n"},
		{LogQuery{Tail: -1, Since: at(2027)}, "2036\n2027\n2028\n"},
		{LogQuery{Tail: -1, Until: at(2027)}, "2026\n2027\n1970\n"},
		{LogQuery{Tail: -1, Since: at(2027), Until: at(2028)}, "2027\n2028\n"},
	} {
		got := ""
		if err := ReadLog(dir, test.q, func(line LogLine) error { got += line.Text; return nil }); err != nil || got != test.want {
			t.Errorf("%+v: %q, %v, want %q", test.q, got, err, test.want)
		}
	}
}
