package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDamage: a record that cannot be read is listed, is never lost, and can be
// removed; nothing of it is followed.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"cut short": func(t *testing.T, dir string) { write(t, dir, containerFile, `{"id":"`) },
		"empty":     func(t *testing.T, dir string) { write(t, dir, containerFile, "") },
		"another's": func(t *testing.T, dir string) { write(t, dir, containerFile, `{"id":"x","name":"y"}`) },
		"a hostile name": func(t *testing.T, dir string) {
			write(t, dir, containerFile, fmt.Sprintf(`{"id":%q,"name":"../../x"}`, filepath.Base(dir)))
		},
		"huge": func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, containerFile), maxRecord+1); err != nil {
				t.Fatal(err)
			}
		},
		"a link": func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, containerFile))
			if err := os.Symlink("/etc/passwd", filepath.Join(dir, containerFile)); err != nil {
				t.Fatal(err)
			}
		},
		"a pipe": func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, containerFile))
			if err := unix.Mkfifo(filepath.Join(dir, containerFile), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"something after it": func(t *testing.T, dir string) {
			data, _ := os.ReadFile(filepath.Join(dir, containerFile))
			write(t, dir, containerFile, string(data)+"{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t)
			e := create(t, l, Container{ID: id("a"), Name: "x"})
			if err := e.SetState(State{Status: Exited}); err != nil {
				t.Fatal(err)
			}
			e.Close()
			create(t, l, Container{ID: id("b"), Name: "fine"})
			damage(t, l.Dir(id("a")))
			list, err := l.List()
			if err != nil || len(list) != 2 {
				t.Fatalf("List: %+v, %v", list, err)
			}
			bad := 0
			for _, one := range list {
				if one.Damage != nil && one.ID == id("a") && one.State.Status == Dead {
					bad++
				}
			}
			if bad != 1 {
				t.Errorf("List: %+v", list)
			}
			if _, _, err := l.Find("x"); !errors.Is(err, ErrDamaged) {
				t.Errorf("Find: %v, want ErrDamaged", err)
			}
			if _, err := l.Adopt(id("a")); err == nil {
				t.Error("it was adopted")
			}
			if removed, _, err := l.Sweep(); len(removed) != 0 || err != nil {
				t.Errorf("Sweep removed %+v, %v", removed, err)
			}
			if err := l.Remove(id("a")); err != nil {
				t.Fatal(err)
			}
			create(t, l, Container{ID: id("c"), Name: "x"})
		})
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedState: a container whose state cannot be read is dead, and can be
// started again.
func TestDamagedState(t *testing.T) {
	l := open(t)
	create(t, l, Container{ID: id("a"), Name: "x"}).Close()
	for _, text := range []string{"", "{", `{"status":"flying"}`, `{"status":"running","pid":-1}`, "null"} {
		write(t, l.Dir(id("a")), stateFile, text)
		if _, s, err := l.Find("x"); err != nil || s.Status != Dead || s.Cause == "" {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
	e, err := l.Adopt(id("a"))
	if err != nil || e.State().Status != Dead {
		t.Fatalf("Adopt: %v", err)
	}
	e.Close()
}

// TestForeignEntries: files, links and other names in the ledger's directory
// are no containers, and stay.
func TestForeignEntries(t *testing.T) {
	l := open(t)
	write(t, l.dir, "readme", "x")
	write(t, l.dir, id("d"), "x")
	if err := os.Symlink("/etc", l.Dir(id("e"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(l.dir, strings.Repeat("Z", 64)), 0o700); err != nil {
		t.Fatal(err)
	}
	list, err := l.List()
	if err != nil || len(list) != 2 || list[0].Damage == nil || list[1].Damage == nil {
		t.Errorf("List: %+v, %v", list, err)
	}
	if err := l.Remove(id("e")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/etc/passwd"); err != nil {
		t.Fatal("a link was followed")
	}
}

// TestSweepRemovesTheHalfMade: what Create leaves that is killed between two
// steps goes, and what somebody is just making stays.
func TestSweepRemovesTheHalfMade(t *testing.T) {
	l := open(t)
	for _, made := range [][]string{{}, {lockFile}, {lockFile, claimFile}, {lockFile, claimFile, logDir}, {lockFile, claimFile, logDir, spareFile, containerFile + partSuffix}} {
		dir := l.Dir(id("a"))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range made {
			switch name {
			case logDir:
				if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
			case claimFile:
				write(t, dir, name, id("a"))
				if err := os.Link(filepath.Join(dir, name), filepath.Join(l.names(), "x")); err != nil {
					t.Fatal(err)
				}
			default:
				write(t, dir, name, "")
			}
		}
		fd, err := l.openDir(id("a"))
		if err != nil {
			t.Fatal(err)
		}
		lock, err := takeLock(fd, supervisorByte)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.Sweep(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(dir); err != nil {
			t.Fatalf("%v: it went while it was being made", made)
		}
		lock.Close()
		unix.Close(fd)
		if removed, _, err := l.Sweep(); len(removed) != 1 || err != nil {
			t.Fatalf("%v: %+v, %v", made, removed, err)
		}
		if l.Taken("x") {
			t.Errorf("%v: the name is still taken", made)
		}
	}
	names, err := os.ReadDir(l.names())
	if err != nil || len(names) != 0 {
		t.Errorf("names left: %v, %v", names, err)
	}
}

// TestNamesAreTakenOnce: many claim one name at the same moment.
func TestNamesAreTakenOnce(t *testing.T) {
	l := open(t)
	var mu sync.Mutex
	var got []*Entry
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			e, err := l.Create(Container{ID: fmt.Sprintf("%064x", i), Name: "one"})
			if err == nil {
				mu.Lock()
				got = append(got, e)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(got) != 1 {
		t.Fatalf("%d have the name", len(got))
	}
	got[0].Close()
	if ids, err := l.IDs(); err != nil || len(ids) != 1 {
		t.Errorf("left: %v, %v", ids, err)
	}
}

func TestRenameAndUpdate(t *testing.T) {
	l := open(t)
	create(t, l, Container{ID: id("a"), Name: "x"})
	create(t, l, Container{ID: id("b"), Name: "y"})
	if err := l.Rename(id("a"), "y"); err == nil {
		t.Error("a name was taken twice")
	}
	if err := l.Rename(id("a"), "z"); err != nil {
		t.Fatal(err)
	}
	if err := l.Update(id("a"), func(c *Container) error { c.Restart.Policy, c.Name = "always", "evil"; return nil }); err != nil {
		t.Fatal(err)
	}
	if c, _, err := l.Find("z"); err != nil || c.Name != "z" || c.Restart.Policy != "always" {
		t.Errorf("Find: %+v, %v", c, err)
	}
	if l.Taken("x") {
		t.Error("the old name is still taken")
	}
	if err := l.Change(id("a"), func(s *State) error { s.Status = Paused; return nil }); err == nil {
		t.Error("a container without a state was changed")
	}
}

// TestListIsQuick: 1,000 containers in a tenth of a second.
func TestListIsQuick(t *testing.T) {
	l := open(t)
	data, err := json.Marshal(Container{Name: "n", Created: time.Now(), Command: []string{"sh", "-c", "sleep 100"}, Args: []string{"--env=A=b", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		id := fmt.Sprintf("%064x", i)
		if err := os.Mkdir(l.Dir(id), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, l.Dir(id), containerFile, strings.Replace(string(data), `"id":""`, `"id":"`+id+`"`, 1))
		write(t, l.Dir(id), stateFile, `{"status":"running","pid":1,"exitCode":0}`)
		write(t, l.Dir(id), lockFile, "")
	}
	best := time.Hour
	for range 5 {
		begun, worked := time.Now(), processorTime(t)
		list, err := l.List()
		if err != nil || len(list) != 1000 || list[0].Damage != nil {
			t.Fatalf("List: %d, %v", len(list), err)
		}
		// On a busy machine the clock says little.
		best = min(best, time.Since(begun), processorTime(t)-worked)
	}
	t.Logf("1,000 containers in %v", best)
	if best > 100*time.Millisecond {
		t.Errorf("1,000 containers take %v", best)
	}
}

// processorTime is how long the processors have worked for this process.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func FuzzContainer(f *testing.F) {
	f.Add([]byte(`{"id":"` + id("a") + `","name":"x","log":{"size":-1}}`))
	f.Add([]byte(`{"id":"` + id("a") + `","name":"x","created":"2026-01-01T00:00:00Z","restart":{"policy":"always"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseContainer(data, id("a"))
		if err != nil {
			return
		}
		if c.ID != id("a") || !ValidName(c.Name) || c.Log.Size <= 0 || c.Log.Files <= 0 {
			t.Errorf("%+v", c)
		}
		text, err := json.Marshal(c)
		if err != nil {
			return // a time that JSON has no words for
		}
		if again, err := parseContainer(text, id("a")); err != nil || !reflect.DeepEqual(plain(t, again), plain(t, c)) {
			t.Errorf("%+v is read again as %+v, %v", c, again, err)
		}
	})
}

// plain is a container as it is written.
func plain(t *testing.T, c Container) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"status":"running","pid":7,"started":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"status":"exited","exitCode":137,"oomKilled":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseState(data)
		if err == nil && (!s.Status.known() || s.Pid < 0) {
			t.Errorf("%+v", s)
		}
	})
}
