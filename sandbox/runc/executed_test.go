package runc

import (
	"os"
	"os/exec"
	"testing"
)

func TestHasExecuted(t *testing.T) {
	for stat, want := range map[string]bool{
		"7 (sh) Z 1 7 7 0 -1 4194316 0 0":       true,  // PF_EXITING
		"7 (sh) Z 1 7 7 0 -1 4194380 0 0":       false, // and PF_FORKNOEXEC
		"7 (a) Z 1 (b) Z 1 7 7 0 -1 4194380 0 ": false, // a name like the fields after it
		"7 (sh) Z 1":                            true, "": true, "7 (sh) Z 1 7 7 0 -1 x": true,
	} {
		if got := hasExecuted(stat); got != want {
			t.Errorf("hasExecuted(%q) = %v", stat, got)
		}
	}
}

// TestAwaitEndLeavesTheProcess: somebody else reaps it.
func TestAwaitEndLeavesTheProcess(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !awaitEnd(cmd.Process.Pid) {
		t.Error("a program that was executed was not")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !awaitEnd(os.Getpid()) {
		t.Error("what cannot be waited for was not executed")
	}
}
