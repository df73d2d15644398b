package runc

import (
	"strconv"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
)

// TestErrorsOnly: what libcontainer starts is told to say errors and no less, for
// they are how a start that fails is explained, and no more.
func TestErrorsOnly(t *testing.T) {
	process, err := newProcess(Config{OCI: &specs.Spec{Process: &specs.Process{Args: []string{"true"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := strconv.Itoa(int(logrus.ErrorLevel)); process.LogLevel != want {
		t.Errorf("they are told %q, not %q", process.LogLevel, want)
	}
}
