package cli

import (
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
)

func TestAgain(t *testing.T) {
	tests := []struct {
		policy         ledger.Restart
		code, restarts int
		stopped, want  bool
	}{
		{ledger.Restart{}, 1, 0, false, false},
		{ledger.Restart{Policy: restartNo}, 1, 0, false, false},
		{ledger.Restart{Policy: restartAlways}, 0, 99, false, true},
		{ledger.Restart{Policy: restartAlways}, 0, 0, true, false},
		{ledger.Restart{Policy: restartUnlessStopped}, 3, 0, false, true},
		{ledger.Restart{Policy: restartUnlessStopped}, 3, 0, true, false},
		{ledger.Restart{Policy: restartOnFailure}, 0, 0, false, false},
		{ledger.Restart{Policy: restartOnFailure}, 1, 99, false, true},
		{ledger.Restart{Policy: restartOnFailure, Max: 2}, 1, 1, false, true},
		{ledger.Restart{Policy: restartOnFailure, Max: 2}, 1, 2, false, false},
		{ledger.Restart{Policy: "of another version"}, 1, 0, false, false},
	}
	for _, test := range tests {
		if got := again(test.policy, test.code, test.stopped, test.restarts); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

func TestBackOff(t *testing.T) {
	var b backOff
	var sum time.Duration
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000} {
		got := b.pause(time.Second)
		if got != want*time.Millisecond {
			t.Errorf("pause %d: %v, want %v", i, got, want*time.Millisecond)
		}
		sum += got
	}
	if got := b.pause(goodWhile); got != firstPause {
		t.Errorf("after a good while: %v (the pauses before were %v)", got, sum)
	}
}
