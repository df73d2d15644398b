package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/battery"
)

// fakeQemu says what a machine would say, by its kernel: 6.1 has reports of two
// profiles, and 6.12 what the file "fate" beside the program says.
const fakeQemu = `#!/bin/sh
here=$(dirname "$0")
while [ $# -gt 0 ]; do
	case $1 in
	-kernel) kernel=$(basename "$(dirname "$2")") ;;
	-serial) [ -n "$console" ] && results=${2#file:} || console=${2#file:} ;;
	esac
	shift
done
report() { echo "> {\"profile\":\"$1\",\"runtime\":\"safe-run\",\"kernel\":\"$kernel\",\"where\":\"host\",\"results\":[]}"; }
wrong() { echo "> {\"profile\":\"$1\",\"runtime\":\"safe-run\",\"kernel\":\"$kernel\",\"where\":\"host\",\"results\":[{\"id\":\"M01\",\"verdict\":\"allowed\",\"wrong\":\"it got through\"}]}"; }
die() { printf '[ 1.0] Oops: double fault: 0000 [#1] PREEMPT\n[ 1.1] Kernel panic - not syncing: Fatal exception\n' >>"$console"; exit 0; }
exec >"$results"
echo begin
report default
case $kernel-$(cat "$here/fate") in
6.12*-dies) die ;;
6.12*-once) echo >"$here/fate"; die ;;
6.12*-through) echo >"$here/fate"; wrong web; die ;;
6.12*-off) echo '[ 1.0] reboot: Power down' >>"$console"; exit 0 ;;
6.12*-vanishes) echo >"$here/fate"; exit 0 ;;
6.12*-panics) echo '[ 1.0] Kernel panic - not syncing: sysrq triggered crash' >>"$console"; exit 0 ;;
6.12*-refuses) echo "qemu-system-x86_64: cannot set up guest memory" >&2; exit 1 ;;
esac
report web
echo end 0
`

// verifyFake runs verify --vm on two kernels with two profiles, in machines that
// are a script.
func verifyFake(t *testing.T, fate string) (reports []battery.Report, said string, err error) {
	t.Helper()
	fakeMachines(t, fate)
	text, said, err := verifyTwo()
	var all struct{ Reports []battery.Report }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%v\n%s%s", err, text, said)
	}
	return all.Reports, said, err
}

// fakeMachines makes two kernels that are empty, and what is started with them a
// script, which it gives.
func fakeMachines(t *testing.T, fate string) (qemu string) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("NOT CHECKED: machines are for amd64")
	}
	home, bin := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	t.Setenv("PATH", bin+":/usr/bin:/bin:/usr/sbin:/sbin")
	for _, release := range []string{"6.1.0-fake", "6.12.0-fake"} {
		dir := filepath.Join(home, "safe-run", "kernels", release)
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "modules"), 0o755), os.WriteFile(filepath.Join(dir, "vmlinuz"), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{"qemu-system-x86_64": fakeQemu, "fate": fate}
	for _, name := range guestPrograms {
		files[name] = "#!/bin/sh\n"
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(bin, "qemu-system-x86_64")
}

// verifyTwo attacks two profiles on both kernels.
func verifyTwo() (text []byte, said string, err error) {
	var out, errs bytes.Buffer
	a := &app{std: IO{Out: &out, Err: &errs}, name: Name}
	err = a.verifyVM(context.Background(), "verify", verifyOptions{
		vm: true, kernels: []string{"6.1.", "6.12"}, profiles: []string{"default", "web"}, format: "json",
	})
	a.report(err)
	return out.Bytes(), errs.String(), err
}

// TestMatrix: a matrix has a report of each profile on each kernel, whatever
// becomes of the machines, and what is missing is told and marked.
func TestMatrix(t *testing.T) {
	for _, test := range []struct {
		fate    string
		partial string
		says    []string
	}{
		{"well", "", nil},
		{"once", "", []string{"NOTE: Linux 6.12.0-fake: its kernel died: Oops: double fault", "started once more"}},
		{"dies", "its kernel died: Oops: double fault", []string{"NOTE: ", "safe-run: Linux 6.12.0-fake: the machine failed: its kernel died", "  [ 1.1] Kernel panic", "hint: its console and its disk are in "}},
		{"vanishes", "", []string{"NOTE: Linux 6.12.0-fake: it went off before its command had ended", "started once more"}},
		{"panics", "its kernel panicked: sysrq triggered crash", []string{"safe-run: Linux 6.12.0-fake: the machine failed: its kernel panicked", "  [ 1.0] Kernel panic", "hint: its console and its disk are in "}},
		{"refuses", "exit status 1: qemu-system-x86_64: cannot set up guest memory", []string{"hint: its console and its disk are in "}},
		{"off", "it went off before its command had ended", []string{"hint: its console and its disk are in "}},
	} {
		t.Run(test.fate, func(t *testing.T) {
			reports, said, err := verifyFake(t, test.fate)
			var names []string
			for _, r := range reports {
				names = append(names, r.Kernel+" "+r.Profile)
				if r.Where != "vm" {
					t.Errorf("%s %s: a report of %q", r.Kernel, r.Profile, r.Where)
				}
			}
			const want = "6.1.0-fake default,6.1.0-fake web,6.12.0-fake default,6.12.0-fake web"
			if strings.Join(names, ",") != want {
				t.Fatalf("reports of %q, want %s\n%s", names, want, said)
			}
			if last := reports[3].Partial; (last == "") != (test.partial == "") || !strings.Contains(last, test.partial) {
				t.Errorf("the last report is marked %q, want %q", last, test.partial)
			}
			if reports[0].Partial+reports[1].Partial+reports[2].Partial != "" || (err == nil) != (test.partial == "") {
				t.Errorf("%v, and what was reported is marked: %+v", err, reports)
			}
			for _, words := range test.says {
				if !strings.Contains(said, words) {
					t.Errorf("nothing of %q in\n%s", words, said)
				}
			}
			if strings.Contains(said, "NOTE") != slices.Contains([]string{"once", "dies", "vanishes"}, test.fate) {
				t.Errorf("a machine was started a second time, or not: %s", said)
			}
		})
	}
}

// TestMatrixKeepsFailures: a machine in which an attack got through is not started
// again, whatever its kernel dies of afterwards.
func TestMatrixKeepsFailures(t *testing.T) {
	reports, said, err := verifyFake(t, "through")
	if err == nil || strings.Contains(said, "started once more") || len(reports) != 4 {
		t.Fatalf("%v, %d reports\n%s", err, len(reports), said)
	}
	if last := reports[3].Results; len(last) != 1 || last[0].Wrong != "it got through" {
		t.Errorf("the report of what got through is lost: %+v", reports[3])
	}
}

// TestNoMachine: what a machine takes and is not there is a line and a hint, and no
// report says that anything was attacked.
func TestNoMachine(t *testing.T) {
	qemu := fakeMachines(t, "well")
	if err := os.Remove(qemu); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(qemu))
	text, said, err := verifyTwo()
	if err == nil || len(text) > 0 || !strings.Contains(said, "machines need qemu") || !strings.Contains(said, "hint: apt-get install qemu-system-x86") {
		t.Errorf("without qemu: %v: %s%s", err, text, said)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	text, said, err = verifyTwo()
	if err == nil || len(text) > 0 || !strings.Contains(said, "hint: make vm-kernels") {
		t.Errorf("without a kernel: %v: %s%s", err, text, said)
	}
}
