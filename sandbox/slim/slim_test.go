package slim

import (
	"runtime/debug"
	"testing"
)

// percent is what the garbage collector works by now.
func percent() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}

// TestHurry: nothing that ends a launch leaves the collector out for good.
func TestHurry(t *testing.T) {
	defer Rouse()
	Rouse()
	if Hurry(); percent() != 800 {
		t.Errorf("in a hurry: %d", percent())
	}
	leisure()
	if percent() != 100 {
		t.Errorf("afterwards: %d", percent())
	}
	Hurry()
	if Rouse(); percent() != 100 {
		t.Errorf("roused: %d", percent())
	}
	Hurry()
	Slim()
	if leisure(); percent() != -1 {
		t.Errorf("one that has settled is %d", percent())
	}
}
