package integration

import (
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestManyRuns: 200 runs, 20 at a time, each with its own exit code, every
// fourth with a network; nothing is left.
func TestManyRuns(t *testing.T) {
	needRoot(t)
	built(t)
	leaks.Check(t)
	const runs, atOnce = 200, 20
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for n := range numbers {
				many(t, n)
			}
		})
	}
	for n := range runs {
		numbers <- n
	}
	close(numbers)
	workers.Wait()
}

func many(t *testing.T, n int) {
	code := []string{"0", "1", "7", "100"}[n%4]
	want := []int{0, 1, 7, 100}[n%4]
	var flags []string
	if n%4 == 3 {
		flags = web
	}
	cmd := launcher(t, append(flags, "dir:"+built(t).root, "/peek", "exit", code)...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("run %d ended with %d, want %d\n%s", n, got, want, out)
	}
}

// TestKilledLaunchers: 50 launchers are killed at random moments, from before
// anything is made until long after the start; the containers go with them and
// nothing is left.
func TestKilledLaunchers(t *testing.T) {
	needRoot(t)
	built(t)
	leaks.Check(t)
	const launchers, atOnce = 50, 5
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range launchers / atOnce {
		var killers sync.WaitGroup
		for i := range atOnce {
			delay := time.Duration(random.IntN(200)) * time.Millisecond
			killers.Go(func() { killAfter(t, delay, i%2 == 0) })
		}
		killers.Wait()
	}
}

func killAfter(t *testing.T, delay time.Duration, network bool) {
	args := []string{"dir:" + built(t).root, "/peek", "sleep", "5m"}
	if network {
		args = append(with(web, "-p", "0:8080"), args...)
	}
	cmd := launcher(t, args...)
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	time.Sleep(delay)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Errorf("the launcher ended by itself: %v", err)
	}
	cmd.Wait()
}

// TestTerminatedWhileStarting: a launcher that is asked to stop at any moment
// stops, and cleans up itself.
func TestTerminatedWhileStarting(t *testing.T) {
	needRoot(t)
	built(t)
	leaks.Check(t)
	for i := range 20 {
		cmd := launcher(t, "--stop-timeout", "1", "dir:"+built(t).root, "/peek", "then-sleep", "id")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i*5) * time.Millisecond)
		if err := cmd.Process.Signal(os.Signal(syscall.SIGTERM)); err != nil {
			t.Errorf("the launcher ended by itself: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(15 * time.Second):
			t.Errorf("15 s after SIGTERM at %d ms the launcher goes on", i*5)
			cmd.Process.Kill()
			<-done
		}
	}
}
