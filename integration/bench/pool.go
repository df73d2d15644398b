package main

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/integration/bench/result"
)

// kept is how many sandboxes the pool of the scene keeps.
const kept = 4

// pooled runs true in sandboxes that were prepared. That another is prepared in
// the place of each is not measured, and waited for.
func (w *world) pooled() scene {
	start := sync.OnceValue(w.startPool)
	before := func() error { return errors.Join(start(), w.awaitPool()) }
	const pool, bwrap = own + " run --pool", "bwrap"
	others := w.directory().contestants
	bubble := others[slices.IndexFunc(others, func(c contestant) bool { return c.name == bwrap })]
	bubble.before = before
	return scene{name: "pool", title: "true, in a sandbox of a warm pool", contestants: []contestant{
		{name: pool, what: "the default profile", args: []string{w.safeRun, "run", "--pool=bench", "/true"}, before: before},
		bubble,
	}, targets: []*result.Target{{Of: pool, To: bwrap, Most: 1}}}
}

func (w *world) startPool() error {
	cmd := exec.Command(w.safeRun, "pool", "--name", "bench", "-n", fmt.Sprint(kept), "dir:"+w.root, "/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	w.closes = append(w.closes, func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		return cmd.Wait()
	})
	_, err = bufio.NewReader(out).ReadString('\n')
	return err
}

// awaitPool waits until the pool is full, and has been for a moment.
func (w *world) awaitPool() error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command(w.safeRun, "ps").Output()
		if err != nil {
			return err
		}
		if strings.Count(string(out), "(prepared)") == kept {
			time.Sleep(20 * time.Millisecond)
			return nil
		}
		if time.Now().After(end) {
			return errors.New("the pool does not become full")
		}
	}
}
