package containerd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/bench/result"
)

// TestBench measures a container that does nothing, by this shim and by runc's,
// in turn, under one containerd: time, and the processor time of containerd, ctr,
// the shims and the container; and the memory of a shim that has settled. It is
// `make bench-shim`, and asserts nothing that depends on time.
func TestBench(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("SAFE_RUN_SHIM_BENCH"))
	if err != nil {
		t.Skip("SAFE_RUN_SHIM_BENCH does not say how often: see make bench-shim")
	}
	e := newEngine(t, "")
	ways := e.ways(os.Getenv("SAFE_RUN_SHIM_OTHER"))
	group, spent := e.counted()
	wall, cpu := &result.Scene{Title: "ctr run --rm true: time"}, &result.Scene{Title: "ctr run --rm true: processor time"}
	for _, w := range ways {
		wall.Contestants = append(wall.Contestants, &result.Contestant{Name: w.name})
		cpu.Contestants = append(cpu.Contestants, &result.Contestant{Name: w.name})
	}
	for round := range n + 1 {
		for i := range ways {
			at := (i + round) % len(ways)
			id := fmt.Sprintf("b%d-%d", round, at)
			args := slices.Concat([]string{"run", "--rm", "--rootfs", "--cgroup", group + "/" + id}, ways[at].flags, []string{e.rootfs(), id, "/bin/true"})
			// The shim's end is counted with its container, not with the next one.
			e.eventually("nothing of the last one is left", func() bool { return len(e.bundles()) == 0 && len(e.running(ways)) == 0 })
			used, begun := spent(), time.Now()
			e.must(args...)
			took := time.Since(begun)
			e.eventually("its shim has ended", func() bool { return len(e.running(ways)) == 0 })
			if round == 0 {
				continue // nothing is in the page cache, and filters are not compiled
			}
			wall.Contestants[at].Seconds = append(wall.Contestants[at].Seconds, took.Seconds())
			cpu.Contestants[at].Seconds = append(cpu.Contestants[at].Seconds, spent()-used)
		}
	}
	for _, s := range []*result.Scene{wall, cpu} {
		most := map[*result.Scene]float64{wall: 0.70, cpu: 0.60}[s]
		for _, w := range ways[1:] {
			s.Targets = append(s.Targets, &result.Target{Of: w.name, To: ways[0].name, Most: most})
		}
		s.Judge()
		s.Table(os.Stdout)
	}
	for _, w := range ways {
		fmt.Printf("  %-34s %5.1f MiB, its part of shared pages counted\n", w.name, e.settled(w, ways))
	}
}

// way is a way to run a container.
type way struct {
	name, program string
	flags         []string
}

// ways are runc's shim with runc, ours with the profile none and the default
// one, and perhaps ours of another build.
func (e *engine) ways(other string) []way {
	runc := e.runc()
	theirs := filepath.Join(tools, "containerd-shim-runc-v2")
	none := e.write("shim.yaml", unconfined)
	held := e.conflicts("strip")
	all := []way{
		{"runc's shim, runc", theirs, []string{"--runtime", "io.containerd.runc.v2", "--runc-binary", runc}},
		{"saferun, profile none", shimBin, []string{"--runtime", shimBin, "--runtime-config-path", none}},
		{"saferun, stripped by a profile", shimBin, []string{"--runtime", shimBin, "--runtime-config-path", held}},
	}
	if other != "" {
		all = append(all, way{"other build, profile none", other, []string{"--runtime", other, "--runtime-config-path", none}})
	}
	return all
}

// runc is the runc of the libcontainer that the shim has, built as runc's releases
// are: static and without symbols.
func (e *engine) runc() string {
	e.t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/opencontainers/runc").Output()
	must(e.t, err)
	version := strings.TrimSpace(string(out))
	dir := filepath.Join(filepath.Dir(tools), "runc-static-"+version)
	program := filepath.Join(dir, "runc")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	install := exec.Command("go", "install", "-trimpath", "-tags", "seccomp netgo osusergo", "-ldflags", `-s -w -extldflags "-static"`, "github.com/opencontainers/runc@"+version)
	install.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := install.CombinedOutput(); err != nil {
		e.t.Skipf("NOT CHECKED: the shim beside runc's, which could not be built: %v\n%s", err, out)
	}
	return program
}

// running are the shims of all ways.
func (e *engine) running(ways []way) (pids []string) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range lines {
		line, _ := os.ReadFile(name)
		program, _, _ := strings.Cut(string(line), "\x00")
		if strings.Contains(string(line), e.dir+"/s") && slices.ContainsFunc(ways, func(w way) bool { return w.program == program }) {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}

// counted puts containerd and this process into a control group, below which
// containers are made, too, and reads the processor time of them all.
func (e *engine) counted() (group string, spent func() float64) {
	group = "/" + e.namespace
	dir, file, unit := "/sys/fs/cgroup/cpuacct"+group, "cpuacct.usage", 1e9
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		dir, file, unit = "/sys/fs/cgroup"+group, "cpu.stat", 1e6
	}
	own := filepath.Join(dir, "own")
	must(e.t, os.MkdirAll(own, 0o755))
	for _, pid := range []int{e.daemon.Process.Pid, os.Getpid()} {
		must(e.t, os.WriteFile(own+"/cgroup.procs", []byte(strconv.Itoa(pid)), 0))
	}
	e.t.Cleanup(func() {
		for _, pid := range []int{e.daemon.Process.Pid, os.Getpid()} {
			_ = os.WriteFile(filepath.Dir(dir)+"/cgroup.procs", []byte(strconv.Itoa(pid)), 0)
		}
		_ = os.Remove(own)
	})
	return group, func() float64 {
		var self syscall.Rusage // which looks at all processes in between
		must(e.t, syscall.Getrusage(syscall.RUSAGE_SELF, &self))
		text, err := os.ReadFile(filepath.Join(dir, file))
		must(e.t, err)
		value, err := strconv.ParseFloat(strings.Fields(strings.TrimPrefix(string(text), "usage_usec"))[0], 64)
		must(e.t, err)
		return value/unit - float64(self.Utime.Nano()+self.Stime.Nano())/1e9
	}
}

// settled is the proportional set size of a shim beside a container that waits.
func (e *engine) settled(w way, ways []way) float64 {
	e.must(slices.Concat([]string{"run", "-d", "--rootfs"}, w.flags, []string{e.rootfs(), "big", "/bin/sleep", "1000"})...)
	defer e.remove("big")
	pids := e.running(ways)
	if len(pids) != 1 {
		e.t.Fatalf("shims: %v", pids)
	}
	time.Sleep(5 * time.Second)
	text, err := exec.Command("grep", "^Pss:", "/proc/"+pids[0]+"/smaps_rollup").Output()
	must(e.t, err)
	kib, err := strconv.ParseFloat(strings.Fields(string(text))[1], 64)
	must(e.t, err)
	return kib / 1024
}
