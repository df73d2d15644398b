package builtin_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/seccomp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func resolve(t *testing.T, name string) profiles.Profile {
	t.Helper()
	p, err := profiles.Resolve(name, builtin.Finder{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func callsOf(p profiles.Profile) []string {
	var names []string
	for _, s := range p.Seccomp.Allow {
		names = append(names, s.Name)
	}
	return seccomp.Expand(names)
}

func familiesOf(p profiles.Profile) string {
	var names []string
	for _, f := range p.Seccomp.AddressFamilies {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func TestNames(t *testing.T) {
	want := []string{"batch", "db", "default", "shell", "web", "worker"}
	if got := builtin.Names(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, name := range want {
		if p := resolve(t, name); p.Metadata.Name != name || p.Metadata.Description == "" {
			t.Errorf("%s calls itself %q: %q", name, p.Metadata.Name, p.Metadata.Description)
		}
	}
	for _, name := range []string{"none", "", ".", "web.yaml", "../builtin/web", "/web"} {
		if _, _, err := (builtin.Finder{}).Find(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What safe-run promises of a container that asks for nothing.
func TestDefaultPromises(t *testing.T) {
	p := resolve(t, "default")
	promises := map[string][2]any{
		"runs as":           {fmt.Sprint(*p.Process.RunAsUser, " ", *p.Process.RunAsGroup, " ", *p.Process.UserFrom), "65532 65532 image"},
		"root":              {*p.Process.Root.Allow, false},
		"capabilities":      {len(p.Process.Capabilities), 0},
		"read-only":         {*p.Rootfs.ReadOnly, true},
		"memory":            {p.Resources.Memory.String(), "512MiB"},
		"swap":              {p.Resources.Swap.String(), "0"},
		"cpus":              {p.Resources.CPUs.String(), "1"},
		"pids":              {*p.Resources.Pids, int64(128)},
		"network":           {*p.Network.Mode, profiles.NetworkNone},
		"egress":            {len(p.Network.Egress), 0},
		"first port":        {*p.Network.UnprivilegedPortStart, int64(1024)},
		"families":          {familiesOf(p), "AF_UNIX"},
		"sensitive paths":   {len(p.Mounts.HostPaths), 0},
		"weakenings":        {len(p.Accept), 0},
		"image's own stop":  {p.Process.StopSignal == nil, true},
		"time to stop":      {p.Process.StopTimeout.String(), "10s"},
		"number of tmpfs":   {len(p.Mounts.Tmpfs), 3},
		"number of rlimits": {len(p.Process.Rlimits), 2},
	}
	for _, m := range p.Mounts.Tmpfs {
		promises["tmpfs "+m.Path] = [2]any{fmt.Sprint(m.Size, *m.Inodes, m.Mode, *m.Exec), map[string]string{
			"/tmp": "64MiB 16384 01777 false", "/run": "16MiB 4096 0755 false", "/dev/shm": "64MiB 4096 01777 false"}[m.Path]}
	}
	for _, r := range p.Process.Rlimits {
		promises["rlimit "+r.Name] = [2]any{fmt.Sprint(*r.Soft, *r.Hard), map[string]string{"core": "0 0", "nofile": "1024 4096"}[r.Name]}
	}
	for what, pair := range promises {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v, promised %v", what, pair[0], pair[1])
		}
	}
	hidden := append(slices.Clone(p.Paths.Masked), p.Paths.ReadOnly...)
	for _, path := range []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kallsyms", "/proc/key-users", "/proc/config.gz",
		"/proc/iomem", "/proc/interrupts", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/pagetypeinfo", "/proc/kmsg", "/sys/firmware",
		"/sys/module", "/sys/kernel/vmcoreinfo", "/proc/sys", "/proc/sysrq-trigger", "/proc/bus", "/proc/fs", "/proc/irq"} {
		if !slices.Contains(hidden, path) {
			t.Errorf("%s is neither masked nor read-only", path)
		}
	}
}

// System calls that no built-in profile opens, whatever groups come to hold.
func TestNeverInABuiltin(t *testing.T) {
	never := strings.Fields(`ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd bpf perf_event_open userfaultfd
		add_key keyctl request_key io_uring_setup io_uring_enter io_uring_register mount umount2 pivot_root chroot move_mount
		open_tree fsopen fsmount fsconfig fspick mount_setattr unshare setns clone3 open_by_handle_at name_to_handle_at
		init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl
		settimeofday clock_settime adjtimex clock_adjtime syslog iopl ioperm modify_ldt personality vhangup
		fanotify_init sethostname setdomainname mknod mknodat setuid setgid setgroups memfd_create memfd_secret vmsplice`)
	for _, name := range builtin.Names() {
		for _, call := range callsOf(resolve(t, name)) {
			if slices.Contains(never, call) {
				t.Errorf("%s allows %s", name, call)
			}
		}
	}
}

// The fewer system calls the better: 160 is what twenty web servers and runtimes
// make between them, less what each goes on without.
func TestHowManyCalls(t *testing.T) {
	var out strings.Builder
	fmt.Fprintln(&out, "profile  allowed  in the filter on amd64  on arm64")
	for _, name := range builtin.Names() {
		p := resolve(t, name)
		policy := seccomp.Policy{Arch: "amd64", Allow: callsOf(p), Init: *p.Process.Init}
		native := len(seccomp.Allowed(policy))
		policy.Arch = "arm64"
		fmt.Fprintf(&out, "%-8s %7d %23d %9d\n", name, len(callsOf(p)), native, len(seccomp.Allowed(policy)))
	}
	golden(t, "testdata/calls.golden", out.String())
	if len(callsOf(resolve(t, "batch"))) >= len(callsOf(resolve(t, "default"))) {
		t.Error("batch promises fewer system calls than default")
	}
}

// golden compares text with a file, or writes it there.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("run go test ./profiles/builtin -update when this is meant:\n%s", diff)
	}
}

// A permission that a lower profile, or another group, gives already is noise
// that hides what matters.
func TestNothingIsAllowedTwice(t *testing.T) {
	for _, name := range builtin.Names() {
		p := resolve(t, name)
		for _, doubt := range profiles.Doubts(p) {
			t.Error(doubt)
		}
		data, err := builtin.FS.ReadFile(name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		own, err := profiles.Decode(name, data)
		if err != nil || len(own.Extends) == 0 {
			continue
		}
		for at := range own.Origins {
			if p.Origins[at] != own.Origins[at] && !strings.HasPrefix(at, "extends") && !strings.HasPrefix(at, "replace") && p.Origins[at].Source != "" {
				t.Errorf("%s: %s is written and does not come through: %v", name, at, p.Origins[at])
			}
		}
	}
}

// TestDifferences shows in one place what each profile gives beyond default.
func TestDifferences(t *testing.T) {
	var out strings.Builder
	for _, name := range builtin.Names() {
		if name == "default" {
			continue
		}
		fmt.Fprintf(&out, "%s\n", name)
		for _, c := range profiles.Diff(resolve(t, "default"), resolve(t, name)) {
			sign := "tighter"
			if c.Looser {
				sign = "looser "
			}
			fmt.Fprintf(&out, "  %s %s: %q -> %q\n", sign, c.Path, c.Old, c.New)
		}
	}
	golden(t, "testdata/differences.golden", out.String())
}

// Resolving is on the way of every launch.
func BenchmarkResolve(b *testing.B) {
	for b.Loop() {
		if _, err := profiles.Resolve("web", builtin.Finder{}); err != nil {
			b.Fatal(err)
		}
	}
}
