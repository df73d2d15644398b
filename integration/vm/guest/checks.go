package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/integration/leaks"
)

// check is one promise.
type check struct {
	name string
	run  func() error
}

// missing is the error of a check that could not be made.
type missing struct{ error }

var everywhere = []check{
	{"the kernel's control groups are version 2", version2},
	{"the kernel has AppArmor, and the container runs beside it", appArmor},
	{"a program as a whole image: user, capabilities, filter", defaults},
	{"a shell from busybox, on a read-only root", shell},
	{"memory, swap, cpu and pids are in the group's files", limits},
	{"limits that flags set", flagLimits},
	{"out of memory kills the whole group, and says so with the peak", outOfMemory},
	{"the pids limit is the cause", outOfPids},
	{"a file system that this kernel cannot idmap is an error", notIdmapped},
	{"web: a port on 127.0.0.1, nf_tables loaded on demand", web},
	{"a launcher that is killed takes everything with it", killed},
	{"gc removes what launcher and warden left", collected},
}

// all runs every check, and after each looks for what it left.
func (r *results) all() {
	if err := makeTree(); err != nil {
		r.say("FAIL the image for the checks")
		r.about(err.Error())
		return
	}
	checks := slices.Concat(everywhere, ociEverywhere, withoutSystemd)
	if parameter("vm.guest") == "systemd" {
		checks = slices.Concat(everywhere, underSystemd, ociUnderSystemd)
	}
	wanted, err := regexp.Compile(parameter("vm.checks"))
	if err != nil {
		r.say("FAIL the names of the checks")
		r.about(err.Error())
		return
	}
	for _, c := range checks {
		if wanted.MatchString(c.name) {
			r.one(c)
		}
	}
	r.suite()
}

func (r *results) one(c check) {
	before, begun := leaks.Take(), time.Now()
	err := c.run()
	if left := before.Settled(leaks.Patience); err == nil && len(left) > 0 {
		err = fmt.Errorf("it left\n%s", strings.Join(left, "\n"))
	}
	verdict := "ok"
	var m missing
	if errors.As(err, &m) {
		verdict = "not checked"
	} else if err != nil {
		verdict = "FAIL"
	}
	r.say("%s %5.1fs %s", verdict, time.Since(begun).Seconds(), c.name)
	if err != nil {
		r.about(err.Error())
	}
}

// makeTree makes a root filesystem on the disk.
func makeTree() error {
	for _, dir := range []string{"bin", "tmp", "etc"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			return err
		}
	}
	for from, to := range map[string]string{payload + "/peek": "peek", "/bin/busybox": "bin/sh"} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(tree, to), data, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(os.WriteFile(tree+"/etc/owned", nil, 0o644), os.Chown(tree+"/etc/owned", 1000, 1001))
}

// in is the arguments to run peek in the tree.
func in(flags []string, words ...string) []string {
	return append(append(flags, "dir:"+tree, "/peek"), words...)
}

func version2() error {
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &fs); err != nil {
		return err
	}
	if fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return fmt.Errorf("the file system at /sys/fs/cgroup has type %x", fs.Type)
	}
	return nil
}

func appArmor() error {
	list, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Split(strings.TrimSpace(string(list)), ","), "apparmor") {
		return missing{fmt.Errorf("the security modules are %s", list)}
	}
	return want("unconfined", in(nil, "read", "/proc/self/attr/current")...)
}

func defaults() error {
	for _, look := range []struct{ words, want string }{
		{"id", "65532:65532"},
		{"status CapBnd", "0000000000000000"},
		{"status CapEff", "0000000000000000"},
		{"status NoNewPrivs", "1"},
		{"status Seccomp", "2"},
		{"write /file", "EROFS"},
		{"mount /tmp", "tmpfs nodev,noexec,nosuid,rw"},
		{"exec /tmp", "EACCES"},
		{"count /proc/keys", "0"},
		{"mount /proc/sys", "proc nodev,noexec,nosuid,ro"},
		{"propagation", "private"},
		{"ls /sys/class/net", "lo"},
	} {
		if err := want(look.want, append([]string{payload + "/peek"}, strings.Fields(look.words)...)...); err != nil {
			return fmt.Errorf("%s: %w", look.words, err)
		}
	}
	return want("1000:1001 644", in(nil, "stat", "/etc/owned")...)
}

func shell() error {
	return want("65532 no", "dir:"+tree, "/bin/sh", "-c", `echo $(id -u) $( (echo >/file) 2>/dev/null && echo yes || echo no)`)
}

// limitsAre compares the group's files with what they are to say.
func limitsAre(flags []string, wanted map[string]string) error {
	r, err := start(in(flags, "sleep", "5m")...)
	if err != nil {
		return err
	}
	for name, value := range wanted {
		if got := r.file(name); got != value {
			err = errors.Join(err, fmt.Errorf("%s/%s is %q, want %q", r.dir, name, got, value))
		}
	}
	return errors.Join(err, r.end(syscall.SIGTERM))
}

func limits() error {
	return limitsAre(nil, map[string]string{
		"memory.max": "536870912", "memory.swap.max": "0", "memory.oom.group": "1",
		"pids.max": "128", "cpu.max": "100000 100000",
	})
}

func flagLimits() error {
	return limitsAre([]string{"--memory", "100m", "--cpus", "0.5", "--pids-limit", "77"}, map[string]string{
		"memory.max": "104857600", "memory.swap.max": "0", "pids.max": "77", "cpu.max": "50000 100000",
	})
}

func outOfMemory() error {
	// The child is what the kernel picks; the first process must not survive it.
	if err := wantFailure(137, []string{"out of memory", "limit 64 MiB", "peak 64 MiB", "--memory"},
		in([]string{"--memory", "64m"}, "oomchild", "200")...); err != nil {
		return err
	}
	return wantFailure(137, []string{"out of memory", "limit 64 MiB"}, in([]string{"--memory", "64m", "--init"}, "alloc", "200")...)
}

func outOfPids() error {
	return wantFailure(1, []string{"pids limit (20)", "--pids-limit"}, in([]string{"--pids-limit", "20"}, "failfork", "60")...)
}

// notIdmapped runs an image on tmpfs, which can be idmapped from Linux 6.3 on.
func notIdmapped() error {
	const dir = "/run/image"
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	data, err := os.ReadFile(payload + "/peek")
	if err == nil {
		err = os.WriteFile(dir+"/peek", data, 0o755)
	}
	if err != nil {
		return err
	}
	if newer, err := atLeast(6, 3); err != nil || newer {
		return errors.Join(err, want("65532:65532", "dir:"+dir, "/peek", "id"))
	}
	if err := wantFailure(125, []string{"idmap", "hint:", "Linux 6.3"}, "dir:"+dir, "/peek", "id"); err != nil {
		return err
	}
	return wantFailure(125, []string{"idmap", "hint:", "/run/image"}, in([]string{"-v", dir + ":/mnt"}, "id")...)
}

// atLeast compares with the kernel's version.
func atLeast(major, minor int) (bool, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false, err
	}
	var a, b int
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b)
	return a > major || a == major && b >= minor, err
}

// web asks the container over the published port.
func web() error {
	r, err := start(in([]string{"--profile", "web", "-p", "127.0.0.1:8080:80"}, "listen", ":80", "page")...)
	if err != nil {
		return err
	}
	return errors.Join(fetch("http://127.0.0.1:8080/"), r.end(syscall.SIGTERM))
}

func fetch(url string) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && !strings.HasPrefix(string(text), "page from ") {
		err = fmt.Errorf("%s answers %q", url, text)
	}
	return err
}

// killed is proved by the look for leaks after it.
func killed() error {
	r, err := start(in([]string{"--profile", "web", "-p", "127.0.0.1:8080:80"}, "listen", ":80", "page")...)
	if err != nil {
		return err
	}
	return r.end(syscall.SIGKILL)
}

// collected kills the warden first, as a machine that runs out of memory may.
func collected() error {
	r, err := start(in([]string{"--profile", "web"}, "listen", ":80", "page")...)
	if err != nil {
		return err
	}
	if err := errors.Join(killWarden(), r.end(syscall.SIGKILL)); err != nil {
		return err
	}
	if !sandboxes()[r.id] {
		return errors.New("nothing was left, so that there was nothing to collect")
	}
	e, err := run("gc")
	if err == nil && (e.code != 0 || !strings.Contains(e.out+e.err, r.id[:12])) {
		err = fmt.Errorf("gc: %s, want %s to be named", e, r.id[:12])
	}
	return err
}

func killWarden() error {
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, path := range found {
		line, _ := os.ReadFile(path)
		if strings.HasPrefix(string(line), "safe-run-warden\x00") {
			var pid int
			if _, err := fmt.Sscanf(path, "/proc/%d/", &pid); err != nil {
				return err
			}
			return unix.Kill(pid, unix.SIGKILL)
		}
	}
	return errors.New("there is no warden")
}
