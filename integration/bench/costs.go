package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/safe-run/safe-run/integration/bench/result"
)

// costs are what does not depend on the machine's noise, measured once: system
// calls and peak memory, process by process.
func (w *world) costs() []*result.Cost {
	var all []*result.Cost
	for _, c := range []struct {
		name string
		args []string
	}{
		{own, []string{w.safeRun, "dir:" + w.root, "/true"}},
		{runcTheir, []string{w.runc, "run", "--bundle", w.docker, "bench-calls"}},
	} {
		calls, err := w.systemCalls(c.args)
		if err != nil {
			fmt.Fprintf(os.Stderr, "not measured: system calls of %s: %s\n", c.name, firstLine(err))
			continue
		}
		for _, process := range calls.names {
			if process == "strace" {
				continue // its child, until it executes the command
			}
			all = append(all, &result.Cost{Of: c.name, Process: process, Calls: calls.of[process]})
		}
	}
	memory, err := w.memory()
	if err != nil {
		fmt.Fprintln(os.Stderr, "not measured: memory of each process:", firstLine(err))
	}
	return append(all, memory...)
}

// counted are system calls by the name of the process that made them, in the order
// in which the names appeared.
type counted struct {
	names []string
	of    map[string]int
}

// systemCalls counts what a command and its children call, by strace(1). Threads
// have the name of their process; runc's init changes its own as it goes on.
func (w *world) systemCalls(args []string) (counted, error) {
	trace := filepath.Join(w.dir, "calls")
	defer os.Remove(trace)
	if err := quietly(append([]string{"strace", "-f", "--decode-pids=comm", "-o", trace}, args...)...); err != nil {
		return counted{}, err
	}
	data, err := os.ReadFile(trace)
	if err != nil {
		return counted{}, err
	}
	return countCalls(data)
}

// countCalls reads lines such as "12<safe-run> close(3) = 0". A call that is
// interrupted by another thread's is two lines, of which one counts; signals and
// exits are none.
func countCalls(trace []byte) (counted, error) {
	c := counted{of: map[string]int{}}
	lines := bufio.NewScanner(bytes.NewReader(trace))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, rest, found := strings.Cut(lines.Text(), "<")
		name, call, ended := strings.Cut(rest, "> ")
		call = strings.TrimSpace(call)
		if !found || !ended {
			return c, fmt.Errorf("strace wrote %q", lines.Text())
		}
		if strings.HasPrefix(call, "+++") || strings.HasPrefix(call, "---") || strings.HasPrefix(call, "<... ") {
			continue
		}
		if c.of[name] == 0 {
			c.names = append(c.names, name)
		}
		c.of[name]++
	}
	return c, lines.Err()
}

// memory is the most that each process of a running container has had.
func (w *world) memory() ([]*result.Cost, error) {
	cmd := exec.Command(w.safeRun, "dir:"+w.root, "/sleep")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill() // the warden collects
		_ = cmd.Wait()
	}()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		children, err := childrenOf(cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		sleeps := 0
		for _, child := range children {
			if name, _ := nameAndPeak(child); name == "sleep" {
				sleeps = child
			}
		}
		if sleeps == 0 {
			if time.Now().After(end) {
				return nil, errors.New("the container did not start")
			}
			continue
		}
		var all []*result.Cost
		for _, pid := range append([]int{cmd.Process.Pid}, children...) {
			name, peak := nameAndPeak(pid)
			all = append(all, &result.Cost{Of: own, Process: name + ", beside a container that runs", Peak: peak})
		}
		if peak := groupPeak(sleeps); peak > 0 {
			all = append(all, &result.Cost{Of: own, Process: "the container's control group, its init included", Peak: peak})
		}
		return all, nil
	}
}

// childrenOf lists the children of all threads of a process.
func childrenOf(pid int) (all []int, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(data)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			all = append(all, child)
		}
	}
	return all, nil
}

// nameAndPeak reads a process's name and the most memory it has had, in bytes.
func nameAndPeak(pid int) (name string, peak int64) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", 0
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "Name":
			name = strings.TrimSpace(value)
		case "VmHWM":
			kib, _, _ := strings.Cut(strings.TrimSpace(value), " ")
			n, err := strconv.ParseInt(kib, 10, 64)
			if err == nil {
				peak = n << 10
			}
		}
	}
	return name, peak
}

// groupPeak is the most memory that the control group of a process has had; 0
// where the kernel does not say (memory.peak is of Linux 5.19).
func groupPeak(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(strings.TrimSpace(string(data))) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		file := ""
		switch {
		case len(parts) < 3:
		case parts[1] == "memory":
			file = "/sys/fs/cgroup/memory" + parts[2] + "/memory.max_usage_in_bytes"
		case parts[0] == "0":
			file = "/sys/fs/cgroup" + parts[2] + "/memory.peak"
		}
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			return n
		}
	}
	return 0
}
