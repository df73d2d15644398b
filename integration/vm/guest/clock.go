package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// withoutSystemd are checks for the machine without it: systemd removes files of
// /var/tmp that seem to be old.
var withoutSystemd = []check{
	{"the clock jumps by years, and no container is lost or started without end", clockJumps},
}

// clockJumps sets the clock ten years ahead, and twenty back, while containers
// run, end and are started again: none is lost, none is started without end, and
// gc leaves those alone that are there. No other machine's clock is touched.
func clockJumps() (err error) {
	ledger, err := os.MkdirTemp("/var/tmp", "ledger")
	if err != nil {
		return err
	}
	if err := os.Setenv("SAFE_RUN_LEDGER", ledger); err != nil {
		return err
	}
	begun := time.Now()
	defer func() {
		// What has passed meanwhile is measured apart from the clock that was set.
		_, gone := run("rm", "-f", "steady", "fickle", "late")
		now := unix.NsecToTimespec(begun.Add(time.Since(begun)).UnixNano())
		err = errors.Join(err, gone, unix.ClockSettime(unix.CLOCK_REALTIME, &now), os.Unsetenv("SAFE_RUN_LEDGER"), os.RemoveAll(ledger))
	}()
	for _, args := range [][]string{
		{"run", "-d", "--name", "steady", "dir:" + tree, "/bin/sh", "-c", "echo early; while :; do sleep 1; done"},
		{"run", "-d", "--name", "fickle", "--restart", "always", "dir:" + tree, "/bin/sh", "-c", "sleep 11"}, // the pause before the next start stays short
	} {
		if err := succeeds(args...); err != nil {
			return err
		}
	}
	for _, years := range []int{10, -20, 10} {
		if err := jump(years); err != nil {
			return err
		}
		if err := afterJump(); err != nil {
			return fmt.Errorf("after a jump of %d years: %w", years, err)
		}
	}
	return nil
}

// jump sets the clock.
func jump(years int) error {
	now := unix.NsecToTimespec(time.Now().AddDate(years, 0, 0).UnixNano())
	return os.NewSyscallError("clock_settime", unix.ClockSettime(unix.CLOCK_REALTIME, &now))
}

// succeeds runs a verb that has to.
func succeeds(args ...string) error {
	e, err := run(args...)
	if err == nil && e.code != 0 {
		err = fmt.Errorf("%v: %s", args, e)
	}
	return err
}

// afterJump looks at the containers.
func afterJump() error {
	restarts := func() (n int, err error) {
		e, err := run("inspect", "--format", "{{.RestartCount}}", "fickle")
		if err == nil {
			_, err = fmt.Sscan(e.out, &n)
		}
		return n, err
	}
	was, err := restarts()
	if err != nil {
		return err
	}
	time.Sleep(8 * time.Second)
	is, err := restarts()
	if err != nil || is-was > 2 {
		return errors.Join(err, fmt.Errorf("a container that runs for 11 s was started %d times in about 8 s", is-was))
	}
	for deadline := time.Now().Add(patience); is <= was; time.Sleep(time.Second) {
		if is, err = restarts(); err != nil || time.Now().After(deadline) {
			return errors.Join(err, errors.New("its restart policy has been forgotten"))
		}
	}
	for _, args := range [][]string{{"gc"}, {"run", "-d", "--name", "late", "dir:" + tree, "/bin/sh", "-c", "echo late"}, {"wait", "late"}, {"rm", "late"}, {"exec", "steady", "/bin/sh", "-c", "exit 0"}} {
		if err := succeeds(args...); err != nil {
			return err
		}
	}
	if e, err := run("ps", "-a", "--format", "{{.Names}} {{.State}}", "--filter", "name=steady"); err != nil || e.out != "steady running" {
		return errors.Join(err, fmt.Errorf("ps: %s", e))
	}
	if e, err := run("logs", "steady"); err != nil || !strings.HasPrefix(e.out, "early") {
		return errors.Join(err, fmt.Errorf("logs: %s", e))
	}
	return nothingHalf()
}

// nothingHalf looks for what gc would have had to remove.
func nothingHalf() error {
	left, err := filepath.Glob(filepath.Join(os.Getenv("SAFE_RUN_LEDGER"), ".gone-*"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("left half removed: %q", left)
	}
	return err
}
