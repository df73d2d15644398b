package machine

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// volatile are settings that change by themselves: counters and random numbers.
var volatile = regexp.MustCompile(`^/proc/sys/(kernel/random/|kernel/ns_last_pid|kernel/pty/nr|kernel/perf_event_|fs/(dentry-state|file-nr|inode-nr|inode-state|aio-nr)|net/netfilter/nf_conntrack_count|debug/)`)

// state is what an attack on a host would change there, by name.
func state() (map[string]string, error) {
	found := map[string]string{}
	for _, path := range []string{"/proc/1/mountinfo", "/proc/swaps", "/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg", "/proc/net/route", "/proc/net/arp", "/proc/1/limits"} {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		found[path] = string(data)
	}
	modules, err := os.ReadFile("/proc/modules")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(modules)) {
		found["module "+strings.Fields(line)[0]] = "loaded"
	}
	var timex unix.Timex
	if _, err := unix.Adjtimex(&timex); err != nil {
		return nil, err
	}
	found["clock"] = fmt.Sprintf("frequency %d tick %d tai %d", timex.Freq, timex.Tick, timex.Tai)
	return found, errors.Join(settings(found), trees(found), programsThatRun(found))
}

// settings are those of the kernel, by what they say.
func settings(found map[string]string) error {
	return filepath.WalkDir("/proc/sys", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || volatile.MatchString(path) {
			return err
		}
		if data, err := os.ReadFile(path); err == nil { // some can be written only
			found[path] = string(data)
		}
		return nil
	})
}

// trees are the files that a system is made of, its devices, its control groups,
// and what lies about.
func trees(found map[string]string) error {
	for _, top := range []string{"/dev", "/etc", "/bin", "/root", "/tmp", "/var", "/run", "/sys/class/net", "/sys/class/block", "/sys/fs/cgroup"} {
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if strings.HasPrefix(path, "/sys/fs/cgroup") && !entry.IsDir() {
				return nil
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			says := info.Mode().String()
			if stat, ok := info.Sys().(*unix.Stat_t); ok {
				says += fmt.Sprint(stat.Rdev, stat.Uid, stat.Gid)
			}
			if info.Mode().IsRegular() && info.Size() < 1<<20 {
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				says += fmt.Sprintf(" %x", sha256.Sum256(data))
			}
			found[path] = says
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// programsThatRun are all but threads of the kernel.
func programsThatRun(found map[string]string) error {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(line) > 0 {
			found["process "+filepath.Base(dir)] = string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
		}
	}
	return err
}

// offset is the wall clock's from the clock that nobody can set.
func offset(t *testing.T) time.Duration {
	var wall, boot unix.Timespec
	if err := errors.Join(unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot), unix.ClockGettime(unix.CLOCK_REALTIME, &wall)); err != nil {
		t.Fatal(err)
	}
	return time.Duration(wall.Nano() - boot.Nano())
}

// withoutLayers begins the line that is told of every run.
const withoutLayers = "the battery without any layer"

// TestInsideHarmless carries the whole battery out as root, in no sandbox at all:
// what it gets through with must leave everything as it was.
func TestInsideHarmless(t *testing.T) {
	needInside(t)
	before, err := state()
	if err != nil {
		t.Fatal(err)
	}
	clock := offset(t)
	cmd := exec.Command("/bin/safe-run-probe", "run")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("safe-run-probe: %v", err)
	}
	verdicts := map[string]int{}
	var last struct {
		ID, Verdict, Detail string
		End                 *struct{ Probes int }
	}
	for line := range strings.Lines(string(out)) {
		last.ID, last.Verdict = "", ""
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if last.Verdict != "" {
			verdicts[last.Verdict]++
			t.Logf("%s %s: %s", last.ID, last.Verdict, last.Detail)
		}
	}
	t.Logf("%s: %v", withoutLayers, verdicts)
	if last.End == nil || last.End.Probes < 95 || verdicts["allowed"] < 40 {
		t.Errorf("the battery did not come to its end, or something stopped it: %v", verdicts)
	}
	if moved := offset(t) - clock; moved.Abs() > 100*time.Millisecond {
		t.Errorf("the clock was set by %s", moved)
	}
	// What was started may take a moment to be gone.
	var changed []string
	for range 100 {
		after, err := state()
		if err != nil {
			t.Fatal(err)
		}
		if changed = difference(before, after); len(changed) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("the battery changed\n%s", strings.Join(changed, "\n"))
}

// difference says what is another, new or gone.
func difference(before, after map[string]string) []string {
	var out []string
	for name, was := range before {
		if is, there := after[name]; !there {
			out = append(out, name+" is gone")
		} else if is != was {
			out = append(out, fmt.Sprintf("%s was %q, is %q", name, was, is))
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			out = append(out, fmt.Sprintf("%s is new: %q", name, after[name]))
		}
	}
	slices.Sort(out)
	return out
}

// TestDifference: nothing that changed is overlooked.
func TestDifference(t *testing.T) {
	got := difference(map[string]string{"a": "1", "b": "1", "c": "1"}, map[string]string{"a": "1", "b": "2", "d": "1"})
	want := []string{`b was "1", is "2"`, "c is gone", `d is new: "1"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
