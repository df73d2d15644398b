//go:build cgo && seccomp

package runc

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// reporting is a filter as the launcher gives it to libcontainer.
func reporting(t testing.TB) *configs.Seccomp {
	t.Helper()
	oci, err := seccomp.Render(seccomp.Policy{
		Arch: "amd64", Families: []string{"AF_UNIX", "AF_INET", "AF_INET6"},
		Allow: []string{
			"@base", "@files", "@process", "@threads", "@time", "@signals", "@memory", "@sched", "@io-event", "@sockets",
			"@net-client", "@net-server",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	filter, _ := seccomp.Notified(oci)
	filter.ListenerPath = "/run/x"
	config, err := specconv.SetupSeccomp(filter)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func remember(t testing.TB, dir string, filter *configs.Seccomp) []byte {
	t.Helper()
	m := remembering(&configs.Config{Seccomp: filter}, dir)
	defer m.close()
	file, err := m.ready()
	if err != nil {
		t.Fatal(err)
	}
	if file == nil {
		return nil
	}
	entry, err := compiled.Unseal(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return entry.Program
}

// TestRemembering: what is compiled first is kept and found, and where it cannot
// be kept it is compiled again.
func TestRemembering(t *testing.T) {
	dir, filter := filepath.Join(t.TempDir(), "filters"), reporting(t)
	first := remember(t, dir, filter)
	entries := glob(t, dir)
	if len(first) < 800 || len(entries) != 1 {
		t.Fatalf("%d bytes, %d entries", len(first), len(entries))
	}
	path := entries[0]
	before, _ := os.Stat(path)
	if again := remember(t, dir, filter); !bytes.Equal(first, again) {
		t.Errorf("%d bytes, and again %d", len(first), len(again))
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("it was compiled twice")
	}
	if elsewhere := remember(t, "/proc/self/nowhere", filter); !bytes.Equal(first, elsewhere) {
		t.Errorf("where nothing can be kept: %d bytes", len(elsewhere))
	}
	filter.ListenerPath = "/run/y"
	if remember(t, dir, filter); len(glob(t, dir)) != 1 {
		t.Error("it is kept by where it reports to")
	}
	if got := remember(t, dir, nil); got != nil {
		t.Errorf("no filter: %d bytes", len(got))
	}
	filter.Syscalls[0].Action = 99 // left to libcontainer, which says what is wrong
	if got := remember(t, dir, filter); got != nil {
		t.Errorf("%d bytes of what cannot be compiled", len(got))
	}
}

// TestBriefing: what init is told in brief stands for the same program, refuses
// everything without it, and is made whole again for who joins.
func TestBriefing(t *testing.T) {
	dir, filter := filepath.Join(t.TempDir(), "filters"), reporting(t)
	filter.ListenerMetadata = "x"
	want := remember(t, dir, filter)
	for _, found := range []string{"found", "compiled"} {
		m := briefing(&configs.Config{Seccomp: filter}, dir)
		defer m.close()
		e, err := compiled.Unseal(int(sealedOf(m).Fd()))
		if err != nil || m.brief == nil || !bytes.Equal(e.Program, want) {
			t.Fatalf("%s: %d bytes of %d, %v", found, len(e.Program), len(want), err)
		}
		compiled.Answer(e)
		if got, err := compile(m.brief, libseccomp.ArchInvalid); err != nil || !bytes.Equal(got, want) || !compiled.Answered() {
			t.Errorf("%s: init would load %d bytes, %v", found, len(got), err)
		}
		if len(m.brief.Syscalls) != 2 || m.brief.Syscalls[1].Action != configs.Notify || m.brief.ListenerPath != filter.ListenerPath {
			t.Errorf("%s: %+v", found, m.brief)
		}
		for _, call := range m.brief.Syscalls {
			if call.Action == configs.Allow || m.brief.DefaultAction != configs.Errno {
				t.Errorf("%s: without the program, %s is allowed", found, call.Name)
			}
		}
		// libcontainer refuses what is above the highest.
		if got, err := highest(m.brief); err != nil || got != must(highest(filter)) {
			t.Errorf("%s: the highest is %q, %v", found, got, err)
		}
		state := t.TempDir()
		if err := os.WriteFile(filepath.Join(state, wholeFile), m.whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := restore(m.brief, state); err != nil || !reflect.DeepEqual(m.brief, filter) {
			t.Errorf("%s: for who joins: %d rules of %d, %v", found, len(m.brief.Syscalls), len(filter.Syscalls), err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	filter.DefaultErrnoRet = nil
	m := briefing(&configs.Config{Seccomp: filter}, dir)
	defer m.close()
	if sealedOf(m) == nil || m.brief != nil {
		t.Errorf("another default: %+v", m.brief)
	}
}

func must(name string, err error) string {
	if err != nil {
		panic(err)
	}
	return name
}

func glob(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// BenchmarkFilter: the processor's time for a filter that is compiled, for one
// that is found in the store, and for the answer that init gets.
func BenchmarkFilter(b *testing.B) {
	filter, dir := reporting(b), filepath.Join(b.TempDir(), "filters")
	entry, err := entryOf(filter)
	if err != nil {
		b.Fatal(err)
	}
	remember(b, dir, filter)
	for name, work := range map[string]func(){
		"compiled": func() { _, err = compile(filter, libseccomp.ArchInvalid) },
		"found": func() {
			remembering(&configs.Config{Seccomp: filter}, dir).close()
		},
		"answered": func() {
			compiled.Answer(entry)
			if _, err = compile(filter, libseccomp.ArchInvalid); !compiled.Answered() {
				b.Fatal("it is not")
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			before := used()
			for b.Loop() {
				if work(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(used()-before)/1e6/float64(b.N), "cpu-ms/op")
		})
	}
}

// used is this process's time on processors, in nanoseconds.
func used() int64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// sealedOf is what a memory hands on; nil when there is nothing.
func sealedOf(m *memory) *os.File {
	file, err := m.ready()
	if err != nil {
		return nil
	}
	return file
}
