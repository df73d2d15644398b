package state

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// TestEnd: one that has ended is not there for who lists, its name is free, and
// its slot is not.
func TestEnd(t *testing.T) {
	s := open(t)
	rec, err := s.Take(NewID(), "name", 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.End(rec); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(rec.ID); !os.IsNotExist(err) {
		t.Errorf("its record is still read: %v", err)
	}
	if err := s.Update(rec.ID, func(*Record) {}); err == nil {
		t.Error("it could be changed")
	}
	if got, err := s.Ended(rec.ID); err != nil || got.ID != rec.ID || got.Slot != rec.Slot {
		t.Errorf("what its warden reads: %+v, %v", got, err)
	}
	next, err := s.Take(NewID(), "name", 4)
	if err != nil {
		t.Fatalf("its name is not free: %v", err)
	}
	if next.Slot == rec.Slot {
		t.Error("its slot was given to another")
	}
	if err := s.Reopen(rec.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(rec.ID); err != nil || got.ID != rec.ID || got.Name != rec.ID[:12] || got.Alive() {
		t.Errorf("reopened, with a name that is another's now: %+v, %v", got, err)
	}
	if _, err := s.Ended(rec.ID); !os.IsNotExist(err) {
		t.Errorf("it has ended and is reopened: %v", err)
	}
	if s.FirstToTell(rec.ID) {
		t.Error("its end would be told twice")
	}
	if err := s.Release(rec); err != nil {
		t.Fatal(err)
	}
	if s.Holder("name") != next.ID {
		t.Error("the name of another was given back")
	}
	if ids, _ := s.List(); !slices.Equal(ids, []string{next.ID}) {
		t.Errorf("left: %v", ids)
	}
}

// TestLeft: one that has ended is another's to collect once nobody is removing it,
// and its range of ids is not waited for.
func TestLeft(t *testing.T) {
	s := open(t)
	rec, err := s.Take(NewID(), "name", 4)
	if err != nil {
		t.Fatal(err)
	}
	warden := exec.Command("/bin/sh", "-c", "read line", rec.ID)
	line, err := warden.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := warden.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(rec.ID, func(rec *Record) { rec.Launcher, rec.Warden = 0, warden.Process.Pid }); err != nil {
		t.Fatal(err)
	}
	if err := s.End(rec); err != nil {
		t.Fatal(err)
	}
	if _, left := s.Left(rec.ID); left || !s.Live(rec.ID) || !s.ending() {
		t.Error("its warden is not seen")
	}
	line.Close()
	_ = warden.Wait() // it fails, having read nothing
	if got, left := s.Left(rec.ID); !left || got.Name != "name" || s.Live(rec.ID) || s.ending() {
		t.Errorf("left %v, live %v, ending %v, name %q", left, s.Live(rec.ID), s.ending(), got.Name)
	}
	if _, err := s.Take(NewID(), "name", 4); err != nil {
		t.Fatal(err)
	}
	if got, left := s.Left(rec.ID); !left || got.Name != rec.ID[:12] {
		t.Errorf("it has another's name: %q", got.Name)
	}
}

// TestSlotOfOneThatEnds: the last id range is waited for when it is about to be
// free.
func TestSlotOfOneThatEnds(t *testing.T) {
	s := open(t)
	rec, err := s.Take(NewID(), "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.End(rec); err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		_ = s.Release(rec)
	}()
	if _, err := s.Take(NewID(), "", 1); err != nil {
		t.Errorf("the range of one that has ended: %v", err)
	}
}
