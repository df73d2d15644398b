package shim

import (
	"errors"
	"os"
	"testing"
)

// TestAnswerDelete: it is written into the bundle that it is about, and no other.
func TestAnswerDelete(t *testing.T) {
	bundle := t.TempDir()
	renew := func() {
		_ = os.Rename(configOf(bundle), configOf(bundle)+".old") // so that its number is not another's
		if err := errors.Join(os.MkdirAll(stateOf(bundle), 0o700), os.WriteFile(configOf(bundle), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	renew()
	s := &Service{address: "unix:///nowhere"}
	one := &task{bundle: bundle, init: newProcess("", stdio{})}
	one.config, _ = os.Stat(configOf(bundle))
	written := func() bool {
		s.answerDelete(one)
		return os.Remove(deletedFile(bundle)) == nil
	}
	if !written() || one.lost() || one.replaced() {
		t.Error("nothing is written")
	}
	renew()
	if written() || !one.lost() || !one.replaced() {
		t.Error("it is written into another bundle")
	}
	if err := os.Remove(configOf(bundle)); err != nil {
		t.Fatal(err)
	}
	if written() || !one.lost() || one.replaced() {
		t.Error("it is written where there is none")
	}
}
