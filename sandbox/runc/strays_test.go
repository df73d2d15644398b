package runc

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestStrays: of children that have ended as stages of libcontainer, those that
// nobody waits for are waited for, once nobody is being started.
func TestStrays(t *testing.T) {
	sleep, err := exec.LookPath("true")
	if err != nil {
		t.Skip("NOT CHECKED: zombies of libcontainer: ", err)
	}
	program := filepath.Join(t.TempDir(), "runc:[2:INIT]") // whose first 15 bytes are the name
	if err := os.Symlink(sleep, program); err != nil {
		t.Fatal(err)
	}
	var stages []*exec.Cmd
	for range 2 {
		stage := exec.Command(program)
		if err := stage.Start(); err != nil {
			t.Fatal(err)
		}
		stages = append(stages, stage)
	}
	stray, owned := stages[0].Process.Pid, stages[1].Process.Pid
	until := func(what string, is func(found []int) bool) {
		t.Helper()
		for range 500 {
			if is(strays()) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatalf("never: %s; strays %v", what, strays())
	}
	until("both have ended", func(found []int) bool { return slices.Contains(found, stray) && slices.Contains(found, owned) })
	l := launches{owned: map[int]bool{}}
	l.begin()
	l.end(owned)
	l.begin()
	l.begin()
	l.end(0)
	time.Sleep(300 * time.Millisecond)
	if !slices.Contains(strays(), stray) {
		t.Error("taken from libcontainer, which starts somebody")
	}
	l.end(0)
	until("the stray is gone", func(found []int) bool { return !slices.Contains(found, stray) })
	if err := stages[1].Wait(); err != nil {
		t.Errorf("the end of the other was taken from who waits: %v", err)
	}
	l.waited(owned)
}
