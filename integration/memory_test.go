package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// What a supervisor may take, in KiB of proportional set size, when it has
// nothing to do: alone on the host, and beside others of its kind, with whom it
// shares the pages of the program.
const (
	maxLone   = 6 << 10
	maxShared = 5 << 10
)

// TestSupervisorMemory: what the start took is given back.
func TestSupervisorMemory(t *testing.T) {
	y := newYard(t)
	id := y.detach(t, []string{"--name", "lone"}, "sleep", "300")
	lone := y.supervisorOf(t, id)
	t.Logf("alone: %d KiB", settledAt(t, []int{lone}, maxLone))
	pids := []int{lone}
	for i := range 5 {
		pids = append(pids, y.supervisorOf(t, y.detach(t, []string{"--name", fmt.Sprint("other", i)}, "sleep", "300")))
	}
	t.Logf("six: %d KiB each", settledAt(t, pids, maxShared))
}

// settledAt waits until processes take no more than most on average, and gives
// what they do.
func settledAt(t *testing.T, pids []int, most int) int {
	t.Helper()
	var average int
	for deadline := time.Now().Add(45 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		sum := 0
		for _, pid := range pids {
			sum += pssOf(t, pid)
		}
		if average = sum / len(pids); average <= most {
			return average
		}
	}
	t.Errorf("%d supervisors take %d KiB each, more than %d", len(pids), average, most)
	return average
}

// pssOf is the proportional set size of a process in KiB.
func pssOf(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var size int
		if _, err := fmt.Sscanf(line, "Pss: %d kB", &size); err == nil {
			return size
		}
	}
	t.Fatalf("no Pss of process %d", pid)
	return 0
}
