package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/safe-run/safe-run/spec/event"
)

func at(dir string) func() string { return func() string { return dir } }

func lines(t *testing.T, dir, group string) (all []notice) {
	t.Helper()
	for _, name := range []string{olderFile, noticesFile} {
		data, err := os.ReadFile(filepath.Join(dir, "n", group, name))
		if err != nil {
			continue
		}
		if len(data) > maxNotices {
			t.Errorf("%s has %d bytes", name, len(data))
		}
		for line := range strings.Lines(string(data)) {
			var one notice
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			all = append(all, one)
		}
	}
	return all
}

// TestNoticesAreBounded: of a flood events get few, of which grave ones are not
// left out for light ones, and the file has room for the last.
func TestNoticesAreBounded(t *testing.T) {
	dir, events := t.TempDir(), 0
	var last topical
	n := newNotices(func(e any) { last, events = e.(topical), events+1 })
	who := subject{Namespace: "n", ID: "c"}
	for i := range 6000 {
		d := event.Denial{Control: event.Seccomp, Syscall: fmt.Sprint("call", i), Severity: event.Low, Meaning: strings.Repeat("m", 300)}
		n.add(at(dir), who.denied(d, ""))
	}
	if events < 1 || events > burst {
		t.Errorf("%d events", events)
	}
	n.add(at(dir), who.denied(event.Denial{Control: event.Seccomp, Syscall: "bpf", Severity: event.High}, ""))
	if last.topic != "/saferun/denied" || !strings.Contains(fmt.Sprint(last.event), "bpf") {
		t.Errorf("a grave one was not told: %v", last)
	}
	all := lines(t, dir, "c")
	if got := all[len(all)-1].Denial.Syscall; got != "bpf" || len(all) < 1000 {
		t.Errorf("%d lines, the last about %s", len(all), got)
	}
}

// TestNoticesArePlain: a refusal that has a bundle's own text in it moves no
// terminal, and is of one line with an end.
func TestNoticesArePlain(t *testing.T) {
	dir := t.TempDir()
	var last topical
	n := newNotices(func(e any) { last = e.(topical) })
	hostile := "\x1b[2J\n" + strings.Repeat("x", 1<<20)
	n.add(at(dir), notice{What: noticeRefused, subject: subject{Namespace: "n", ID: "c"}, Message: hostile, Hint: hostile})
	all := lines(t, dir, "c")
	if len(all) != 1 || len(all[0].Hint) < maxText {
		t.Fatalf("%d lines", len(all))
	}
	told := last.event.(*status.Status)
	var info errdetails.ErrorInfo
	if err := told.Details[0].UnmarshalTo(&info); err != nil {
		t.Fatal(err)
	}
	if info.Reason != "REFUSED" || info.Domain != "safe-run.dev" || info.Metadata["id"] != "c" || codes.Code(told.Code) != codes.PermissionDenied {
		t.Errorf("%v", &info)
	}
	for _, text := range []string{all[0].Message, all[0].Hint, told.Message, info.Metadata["message"], info.Metadata["hint"]} {
		if len(text) > 8*maxLine || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != unicode.ReplacementChar }) {
			t.Errorf("%d bytes: %.20q", len(text), text)
		}
	}
}

// TestSweep: what is kept of pods goes with them, and not while their shim lives.
func TestSweep(t *testing.T) {
	dir, pod := t.TempDir(), t.TempDir()
	hold := func(id, until string) *notices {
		n := newNotices(func(any) {})
		who := subject{Namespace: "n", ID: id, until: until}
		n.add(at(dir), who.denied(event.Denial{Syscall: "x"}, ""))
		return n
	}
	end := func(n *notices) {
		for _, f := range n.files {
			f.dir.Close()
		}
	}
	there := func(id string) bool { return len(lines(t, dir, id)) > 0 }
	living := hold("living", "/nowhere")
	known, gone := hold("known", pod), hold("gone", "/nowhere")
	end(known)
	end(gone)
	for i := range keptPlain + 3 {
		id := fmt.Sprint("plain", i)
		end(hold(id, ""))
		when := time.Unix(int64(1000+i), 0)
		if err := os.Chtimes(filepath.Join(dir, "n", id), when, when); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(dir)
	if !there("living") || !there("known") || there("gone") || there("plain0") || there("plain2") || !there("plain3") {
		entries, _ := os.ReadDir(filepath.Join(dir, "n"))
		t.Errorf("left: %v", entries)
	}
	end(living)
	Sweep(dir)
	if there("living") {
		t.Error("it stays when its shim has ended")
	}
	Sweep(filepath.Join(dir, "none"))
}

// TestSweepOthers: a directory that is others', too, keeps all that is theirs.
func TestSweepOthers(t *testing.T) {
	dir := t.TempDir()
	var theirs []string
	for i := range keptPlain + 8 {
		theirs = append(theirs, fmt.Sprintf("pods/%02d/mine", i), fmt.Sprintf("until/%02d/until", i), fmt.Sprintf("beside/%02d/mine", i))
		at := filepath.Join(dir, "beside", fmt.Sprintf("%02d", i))
		if err := errors.Join(os.MkdirAll(at, 0o700), os.WriteFile(filepath.Join(at, noticesFile), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range append(theirs, "empty/directory/x") {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte("/nowhere"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "empty/directory/x")); err != nil {
		t.Fatal(err)
	}
	n := newNotices(func(any) {})
	n.add(at(dir), subject{Namespace: "pods", ID: "c"}.denied(event.Denial{Syscall: "x"}, ""))
	Sweep(dir)
	for _, name := range append(theirs, "empty/directory", "pods/c/"+noticesFile) {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// FuzzSubject feeds what users write into annotations and mounts: names come out
// bounded and in one line, and nothing leads out of the directory.
func FuzzSubject(f *testing.F) {
	f.Add("k8s.io", "id", "pod", "name\n\x1b[2J", "/var/lib/x/sandboxes/pod/hostname")
	f.Add("..", "../../etc", "..", "\u202e\xff", "sandboxes/../x")
	f.Add("n", "", "a/b", strings.Repeat("x", 1000), "/sandboxes/a/b/")
	f.Fuzz(func(t *testing.T, namespace, id, pod, name, source string) {
		s := subjectOf(namespace, id, &specs.Spec{
			Annotations: map[string]string{"io.kubernetes.cri.sandbox-id": pod, "io.kubernetes.cri.sandbox-name": name, "io.kubernetes.cri.container-name": name},
			Mounts:      []specs.Mount{{Source: source}},
		})
		for _, text := range []string{s.Namespace, s.ID, s.Pod, s.PodName, s.Container} {
			if len(text) > 3*maxText || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != unicode.ReplacementChar }) {
				t.Fatalf("%q", text)
			}
		}
		if s.until != "" && (!strings.HasPrefix(s.until, "/") || !strings.HasPrefix(source, s.until)) {
			t.Fatalf("until %q of %q", s.until, source)
		}
		dir := t.TempDir()
		n := newNotices(func(any) {})
		n.add(at(dir), s.denied(event.Denial{Process: name, Arguments: []string{name}}, ""))
		if segment(s.Namespace) && segment(s.group()) && len(s.Namespace) < 256 && len(s.group()) < 256 && len(written(dir)) != 1 {
			t.Fatalf("%+v: %v", s, written(dir))
		}
	})
}

func written(dir string) []string {
	found, _ := filepath.Glob(filepath.Join(dir, "*", "*", noticesFile))
	return found
}
