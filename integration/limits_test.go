package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestLimits reads on the host what the kernel was told about a running
// container, by default and under a profile and flags that say otherwise.
func TestLimits(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	tests := []struct {
		name  string
		flags []string
		want  map[string]string
	}{
		{"default", nil, map[string]string{"memory": "536870912", "swap": "0", "cpus": "1", "pids": "128"}},
		{"profile", profile(t, "resources: {memory: 1GiB, cpus: 1500m, pids: 64}"), map[string]string{"memory": "1073741824", "swap": "0", "cpus": "1.5", "pids": "64"}},
		{"flags", []string{"--memory", "100m", "--cpus", "0.5", "--pids-limit", "77"}, map[string]string{"memory": "104857600", "swap": "0", "cpus": "0.5", "pids": "77"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, _ := start(t, test.flags, "sleep", "1m")
			got := limits(t, inside(t, r))
			for name, want := range test.want {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
			r.end(t, os.Interrupt)
		})
	}
}

// openFiles prints the limits of open files as exec(2) passed them on.
const openFiles = `#include <stdio.h>
#include <sys/resource.h>
int main(void) {
	struct rlimit l;
	if (prlimit(0, RLIMIT_NOFILE, 0, &l)) { perror("prlimit"); return 1; }
	return printf("%llu:%llu\n", (unsigned long long)l.rlim_cur, (unsigned long long)l.rlim_max) < 0;
}`

func TestOpenFiles(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	program := compiled(t, "#define _GNU_SOURCE\n"+openFiles)
	tests := []struct {
		flags []string
		want  string
	}{
		{nil, "1024:4096"},
		{profile(t, "process: {rlimits: [{name: nofile, soft: 100, hard: 200}]}"), "100:200"},
		{[]string{"--ulimit", "nofile=50:60"}, "50:60"},
	}
	for _, test := range tests {
		if got := safeRun(t, append(test.flags, program)...); got.line() != test.want {
			t.Errorf("%v: %q, want %s\n%s", test.flags, got.line(), test.want, got.err)
		}
	}
}

// limits reads a process's cgroup files of either version in one vocabulary.
func limits(t *testing.T, pid int) map[string]string {
	t.Helper()
	file := groupFiles(t, pid)
	found := map[string]string{}
	if file("memory", "memory.max") != "" { // version 2
		found["memory"], found["swap"], found["pids"] = file("memory", "memory.max"), file("memory", "memory.swap.max"), file("pids", "pids.max")
		quota, period, _ := strings.Cut(file("cpu", "cpu.max"), " ")
		found["cpus"] = ratio(quota, period)
		return found
	}
	found["memory"], found["pids"] = file("memory", "memory.limit_in_bytes"), file("pids", "pids.max")
	found["cpus"] = ratio(file("cpu", "cpu.cfs_quota_us"), file("cpu", "cpu.cfs_period_us"))
	// Version 1 counts memory and swap together.
	both, err1 := strconv.ParseInt(file("memory", "memory.memsw.limit_in_bytes"), 10, 64)
	memory, err2 := strconv.ParseInt(found["memory"], 10, 64)
	if err1 == nil && err2 == nil {
		found["swap"] = strconv.FormatInt(both-memory, 10)
	}
	return found
}

// groupFiles reads files of the groups that a process is in.
func groupFiles(t *testing.T, pid int) func(controller, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if parts[1] == "" {
			for _, controller := range []string{"memory", "pids", "cpu"} {
				if dirs[controller] == "" {
					dirs[controller] = filepath.Join("/sys/fs/cgroup", parts[2])
				}
			}
			continue
		}
		for _, controller := range strings.Split(parts[1], ",") {
			dirs[controller] = filepath.Join("/sys/fs/cgroup", parts[1], parts[2])
		}
	}
	return func(controller, name string) string {
		data, _ := os.ReadFile(filepath.Join(dirs[controller], name))
		return strings.TrimSpace(string(data))
	}
}

func ratio(quota, period string) string {
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil {
		return ""
	}
	return strconv.FormatFloat(q/p, 'f', -1, 64)
}
