package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The lines of a run in which tests of p failed, and p with them.
func failing(names ...string) string {
	text := `{"Action":"start","Package":"p"}` + "\n"
	for _, name := range names {
		text += `{"Action":"output","Package":"p","Test":"` + name + `","Output":"    a_test.go:1: late\n"}` + "\n" +
			`{"Action":"fail","Package":"p","Test":"` + name + `"}` + "\n"
		if top, _, sub := strings.Cut(name, "/"); sub {
			text += `{"Action":"fail","Package":"p","Test":"` + top + `"}` + "\n"
		}
	}
	return text + `{"Action":"fail","Package":"p"}` + "\n"
}

func passing(name string) string {
	return `{"Action":"start","Package":"p"}` + "\n" + `{"Action":"pass","Package":"p","Test":"` + name + `"}` + "\n" + `{"Action":"pass","Package":"p"}` + "\n"
}

// TestAgain: few tests that failed are run again, each by itself; what is not a
// test's failure is never given a second chance.
func TestAgain(t *testing.T) {
	const panics = `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out after 20m0s\n"}` + "\n"
	const leak = `{"Action":"output","Package":"p","Output":"after all tests: a mount is left\n"}` + "\n"
	const signalled = `{"Action":"output","Package":"p","Output":"exit status 2\n"}` + "\n"
	tests := []struct {
		name, in string
		second   map[string]string
		bad      bool // the second run's exit code
		ran      string
		clean    bool
		want     []string
	}{
		{name: "passes", in: failing("TestA"), second: map[string]string{"TestA": passing("TestA")}, ran: "TestA", clean: true,
			want: []string{"--- FAIL: p TestA", "AGAIN: p TestA", "FAILED ONCE, and passed when run again (1)", "p TestA: a_test.go:1: late"}},
		{name: "by a subtest", in: failing("TestA/sub", "TestA/other"), second: map[string]string{"TestA": passing("TestA")}, ran: "TestA", clean: true,
			want: []string{"FAILED ONCE, and passed when run again (2)", "p TestA/sub: a_test.go:1: late"}},
		{name: "two of two", in: failing("TestB", "TestA"), second: map[string]string{"TestA": passing("TestA"), "TestB": passing("TestB")}, ran: "TestA TestB", clean: true},
		{name: "one of two fails again", in: failing("TestB", "TestA"), second: map[string]string{"TestA": failing("TestA"), "TestB": passing("TestB")}, ran: "TestA TestB",
			want: []string{"FAILED ONCE", "p TestB", "FAILED (1)", "p TestA"}},
		{name: "too many", in: failing("TestA", "TestB", "TestC"), want: []string{"FAILED (3)"}},
		{name: "is skipped now", in: failing("TestA"), second: map[string]string{"TestA": strings.Replace(passing("TestA"), `"pass"`, `"skip"`, 1)}, ran: "TestA", want: []string{"FAILED (1)"}},
		{name: "is not found", in: failing("TestA"), second: map[string]string{"TestA": passing("TestOther")}, ran: "TestA", want: []string{"FAILED (1)"}},
		{name: "says nothing", in: failing("TestA"), ran: "TestA", want: []string{"FAILED (1)"}},
		{name: "passes and ends badly", in: failing("TestA"), second: map[string]string{"TestA": passing("TestA")}, bad: true, ran: "TestA", want: []string{"FAILED (1)"}},
		{name: "passes, and its package fails", in: failing("TestA"), second: map[string]string{"TestA": strings.Replace(passing("TestA"), `{"Action":"pass","Package":"p"}`, leak+`{"Action":"fail","Package":"p"}`, 1)}, ran: "TestA"},
		{name: "never ends", in: failing("TestA"), second: map[string]string{"TestA": strings.Replace(passing("TestA"), `{"Action":"pass","Package":"p"}`, "", 1)}, ran: "TestA"},
		{name: "panics", in: strings.Replace(failing("TestA"), `{"Action":"fail"`, panics+`{"Action":"fail"`, 1), want: []string{"FAILED (1)", "test timed out"}},
		{name: "leaves something", in: strings.Replace(failing("TestA"), `{"Action":"fail","Package":"p"}`, leak+`{"Action":"fail","Package":"p"}`, 1), want: []string{"FAILED (2)", "a mount is left"}},
		{name: "was killed", in: strings.Replace(failing("TestA"), `{"Action":"fail","Package":"p"}`, signalled+`{"Action":"fail","Package":"p"}`, 1), want: []string{"FAILED (1)"}},
		{name: "beside a package that does not build", in: failing("TestA") + `{"Action":"build-fail","ImportPath":"q"}` + "\n"},
		{name: "beside a package without an end", in: failing("TestA") + `{"Action":"start","Package":"q"}` + "\n"},
		{name: "beside a run that says nothing", in: failing("TestA") + "go test ended with 1\n" + passing("TestB") + "go test ended with 1\n"},
		{name: "nothing failed", in: passing("TestA"), clean: true},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(c.in)); err != nil {
				t.Fatal(err)
			}
			r.missing()
			var ran []string
			r.again(2, func(at test) ([]byte, bool) {
				ran = append(ran, at.name)
				return []byte(c.second[at.name]), !c.bad
			})
			if clean := r.finish(); clean != c.clean || strings.Join(ran, " ") != c.ran {
				t.Errorf("passed %v, run again %q\n%s", clean, ran, out.String())
			}
			rest := out.String()
			for _, want := range c.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q where it belongs in:\n%s", want, out.String())
				}
				rest = after
			}
		})
	}
}

// TestAtOnce: a failure is there before the next line is read.
func TestAtOnce(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	for line := range strings.Lines(failing("TestA")) {
		r.line(line)
		if strings.Contains(line, `"fail"`) && !strings.Contains(out.String(), "--- FAIL: p TestA (0.0s)\n    a_test.go:1: late\n") {
			t.Fatalf("after %s: %q", line, out.String())
		}
	}
}

// TestRealRun: with go test itself, a test that fails the first time and passes the
// second leaves a run that passed, and one that fails twice does not.
func TestRealRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.test/late\n\ngo 1.24\n",
		"a_test.go": `package late

import (
	"os"
	"testing"
)

func TestLate(t *testing.T) {
	if _, err := os.Stat(os.Getenv("SECOND")); err != nil {
		os.WriteFile(os.Getenv("SECOND"), nil, 0o600)
		t.Error("late")
	}
}

func TestBroken(t *testing.T) {
	if os.Getenv("BROKEN") != "" {
		t.Error("broken")
	}
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "-mod=mod")
	for _, broken := range []string{"", "1"} {
		t.Setenv("SECOND", filepath.Join(t.TempDir(), "second"))
		t.Setenv("BROKEN", broken)
		first, _ := exec.Command("go", "test", "-json", "-count=1", ".").Output()
		var out strings.Builder
		r := newReport(&out)
		if err := r.read(strings.NewReader(string(first))); err != nil {
			t.Fatal(err)
		}
		r.missing()
		r.again(2, commandOf([]string{"go", "test", "-count=1"}))
		if passed := r.finish(); passed != (broken == "") || !strings.Contains(out.String(), "FAILED ONCE") || slices.Contains(strings.Fields(out.String()), "broken") != (broken != "") {
			t.Errorf("broken %q: %v\n%s", broken, passed, out.String())
		}
	}
}
