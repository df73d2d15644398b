package runc

import (
	"os"
	"testing"
)

// TestInGroup: a process of the host is in no container's group, whatever number
// a record has; where there are no groups, nothing is said.
func TestInGroup(t *testing.T) {
	self := os.Getpid()
	if !inGroup(self, nil) {
		t.Error("a container without groups")
	}
	if inGroup(self, map[string]string{"pids": "/sys/fs/cgroup/pids/safe-run-0123456789ab", "": "/sys/fs/cgroup/safe-run-0123456789ab"}) {
		t.Error("this process is taken for a container's")
	}
	if inGroup(1<<30, map[string]string{"pids": "/sys/fs/cgroup/pids/x"}) {
		t.Error("a process that is not there")
	}
}
