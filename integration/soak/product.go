package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// product is safe-run with a ledger and an image of its own.
type product struct {
	program, ledger, image string

	spent atomic.Int64 // processor time of the last command of out
}

// newProduct makes an image of busybox.
func newProduct(bin, dir string) (*product, error) {
	program, err := filepath.Abs(filepath.Join(bin, "safe-run"))
	if err != nil {
		return nil, err
	}
	p := &product{program: program, ledger: filepath.Join(dir, "ledger"), image: "dir:" + filepath.Join(dir, "root")}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return nil, fmt.Errorf("install busybox-static: %w", err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"bin", "proc", "sys", "dev", "run", "tmp", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, "root", name), 0o755); err != nil {
			return nil, err
		}
	}
	for _, applet := range []string{"sleep", "true"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "root/bin", applet)); err != nil {
			return nil, err
		}
	}
	return p, os.WriteFile(filepath.Join(dir, "root/bin/busybox"), data, 0o755)
}

// out runs a command of safe-run and gives what it prints.
func (p *product) out(args ...string) (string, error) {
	cmd := exec.Command(p.program, args...)
	cmd.Env = append(os.Environ(), "SAFE_RUN_LEDGER="+p.ledger)
	// A file, as a pipe would be waited for by whoever has inherited it.
	errs, err := os.CreateTemp("", "soak-err")
	if err != nil {
		return "", err
	}
	defer errs.Close()
	defer os.Remove(errs.Name())
	cmd.Stderr = errs
	out, err := cmd.Output()
	if cmd.ProcessState != nil {
		p.spent.Store(int64(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()))
	}
	if err != nil {
		said, _ := os.ReadFile(errs.Name())
		err = fmt.Errorf("safe-run %s: %w\n%s", strings.Join(args, " "), err, said)
	}
	return strings.TrimSpace(string(out)), err
}

func (p *product) run(args ...string) error {
	_, err := p.out(args...)
	return err
}

// parallel does something n times, some at once, until one fails.
func parallel(n int, do func(i int) error) error {
	var next atomic.Int64
	var once sync.Once
	var failed error
	var stop atomic.Bool
	var workers sync.WaitGroup
	for range min(n, atOnce) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !stop.Load(); i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					once.Do(func() { failed = err })
					stop.Store(true)
				}
			}
		})
	}
	workers.Wait()
	return failed
}
