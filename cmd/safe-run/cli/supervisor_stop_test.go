package cli

import (
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/service"
	"github.com/safe-run/safe-run/spec"
)

// TestStopOfSlowManager: a service manager that does not read delays no stop, and
// is told all the same when it reads.
func TestStopOfSlowManager(t *testing.T) {
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	listener, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	manager, err := service.Open(address.Name)
	if err != nil {
		t.Fatal(err)
	}
	full, err := net.DialUnix("unixgram", nil, address)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for err == nil {
		_ = full.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		_, err = full.Write([]byte("X=1"))
	}
	s := &supervisor{o: runOptions{notifier: &notifier{manager: manager}}}
	begun := time.Now()
	s.mu.Lock()
	s.tellStopping()
	s.mu.Unlock()
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("a service manager that does not read delays a stop by %v", took)
	}
	_ = listener.SetReadDeadline(time.Now().Add(30 * time.Second))
	for text := ""; text != "STOPPING=1"; {
		message := make([]byte, 100)
		n, err := listener.Read(message)
		if err != nil {
			t.Fatalf("it was not told: %v", err)
		}
		text = string(message[:n])
	}
	s.keeping.Wait()
}

// TestSignalWhileEntered: clients send signals while a container is started
// again; it is the race detector that looks.
func TestSignalWhileEntered(t *testing.T) {
	s := &supervisor{order: &Order{ID: "x"}, wake: make(chan struct{}), entry: &ledger.Entry{}}
	p := &prepared{plan: &spec.Plan{OCI: &specs.Spec{Process: &specs.Process{Args: []string{"sleep"}}}}}
	var both sync.WaitGroup
	both.Go(func() {
		for range 100 {
			if err := s.enter(p); err != nil {
				t.Error(err)
			}
		}
	})
	both.Go(func() {
		for range 100 {
			_ = s.signal(stopSignal(""))
		}
	})
	both.Wait()
	_ = s.signal(stopSignal(""))
	if !s.isStopped() {
		t.Error("its stop signal did not stop it")
	}
}
