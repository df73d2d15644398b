package state

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// takeSlot claims a free slot, without a look at all that are taken: it doubles
// its steps until it is past them, and halves them on the way back.
func (s *Store) takeSlot(id string, slots int) (int, error) {
	dir := filepath.Join(s.Root, "ids")
	for slot, tries := gap(slots, func(n int) bool { return slotTaken(dir, n) }), 0; slot < slots && tries < 16; slot, tries = slot+1, tries+1 {
		// Of those who start at the same time one gets it, and others the next.
		if done, err := s.link(id, dir, slot); done || err != nil {
			return slot, err
		}
	}
	for deadline := time.Now().Add(endPatience); ; time.Sleep(5 * time.Millisecond) {
		// Asked before the look: a warden that is done by then has given its slot back.
		ending := s.ending()
		slot, err := s.searchSlot(id, dir, slots)
		if err != nil || slot >= 0 {
			return slot, err
		}
		if !ending || time.Now().After(deadline) {
			return -1, problem.New("stop some containers, or run `safe-run gc`", "all %d id ranges of this host are in use", slots)
		}
	}
}

// gap finds a number below slots that is not taken, low where few are; slots when
// it sees none. It asks twice as often as the number has binary digits.
func gap(slots int, taken func(int) bool) int {
	low, high := -1, 0 // low is taken, high is not
	for high < slots && taken(high) {
		low, high = high, min(2*high+1, slots)
	}
	for high-low > 1 {
		if middle := (low + high) / 2; taken(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

func slotTaken(dir string, slot int) bool {
	var st unix.Stat_t
	return unix.Lstat(dir+"/"+strconv.Itoa(slot), &st) == nil
}

// link claims one slot; false when somebody has it.
func (s *Store) link(id, dir string, slot int) (bool, error) {
	err := os.Link(s.claimFile(id), filepath.Join(dir, strconv.Itoa(slot)))
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// searchSlot looks at every slot, for a host where few are free. It gives -1 when
// none is.
func (s *Store) searchSlot(id, dir string, slots int) (int, error) {
	taken := map[string]bool{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return -1, err
	}
	for _, e := range entries {
		taken[e.Name()] = true
	}
	for slot := range slots {
		if taken[strconv.Itoa(slot)] {
			continue
		}
		if done, err := s.link(id, dir, slot); done || err != nil {
			return slot, err
		}
	}
	return -1, nil
}
