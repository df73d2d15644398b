package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// TestSavedDenials: what is saved comes back, nothing saved is nothing refused,
// and a file that was cut is an error with a hint.
func TestSavedDenials(t *testing.T) {
	path := filepath.Join(t.TempDir(), DenialsFile)
	if list, err := LoadDenials(path); err != nil || list != nil {
		t.Errorf("without a file: %v, %v", list, err)
	}
	if err := SaveDenials(path, []event.Denial{{Syscall: "bpf", Count: 3}}); err != nil {
		t.Fatal(err)
	}
	if list, err := LoadDenials(path); err != nil || len(list) != 1 || list[0].Syscall != "bpf" || list[0].Count != 3 {
		t.Errorf("%v, %v", list, err)
	}
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadDenials(path); err == nil || problem.HintOf(err) == "" {
		t.Errorf("a file that was cut: %v", err)
	}
}

// TestClosedDenials: nothing is written into a directory that is about to go.
func TestClosedDenials(t *testing.T) {
	path := filepath.Join(t.TempDir(), DenialsFile)
	d := &denials{file: path, closed: true}
	d.saveSoon()
	d.save()
	if _, err := os.Stat(path); d.soon != nil || !os.IsNotExist(err) {
		t.Errorf("it was written: %v", err)
	}
}
