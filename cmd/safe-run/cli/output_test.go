package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

func TestTable(t *testing.T) {
	tbl := table{head: []string{"NAME", "WHY"}}
	tbl.add("memory", "a limit that holds all of what is in the container")
	tbl.add("x", "")
	var b bytes.Buffer
	if err := tbl.write(&b, 30, false); err != nil {
		t.Fatal(err)
	}
	want := "NAME    WHY\n" +
		"memory  a limit that holds all\n" +
		"        of what is in the\n" +
		"        container\n" +
		"x\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTableKeepsWordsWhole(t *testing.T) {
	long := "/a/path/that/is/longer/than/the/whole/table/is/wide"
	tbl := table{head: []string{"PATH"}}
	tbl.add(long)
	var b bytes.Buffer
	if err := tbl.write(&b, 20, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), long) {
		t.Errorf("the path is broken:\n%s", b.String())
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ text, want string }{
		{"plain é ✓", "plain é ✓"},
		{"two\nlines\tand", "two lines and"},
		{"\x1b[2Jgone", `\x1b[2Jgone`},
		{"\u009b2J", `\u009b2J`},
		{"right\u202eleft", `right\u202eleft`},
		{"\xff", "\ufffd"},
	}
	for _, test := range tests {
		if got := printable(test.text); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"profile", "explain", "ps", "gc", "run"}
	for word, want := range map[string]string{
		"profle": "profile", "PROFILE": "profile", "explian": "explain", "rnu": "run", "sp": "ps",
		"nginx": "", "oci": "", strings.Repeat("p", 5000): "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("%.20q: got %q, want %q", word, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	var b bytes.Buffer
	report(&b, false, errors.Join(problem.New("do this", "one\x1b"), errors.New("two")))
	if want := "safe-run: one\\x1b\nhint: do this\nsafe-run: two\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	report(&b, true, problem.New("h", "e"))
	if want := "\x1b[1;31msafe-run:\x1b[0m e\n\x1b[36mhint:\x1b[0m h\n"; b.String() != want {
		t.Errorf("in colour: got %q, want %q", b.String(), want)
	}
}

// TestPanic: a mistake of ours is a line like any other, and a code.
func TestPanic(t *testing.T) {
	for _, debugging := range []string{"", "1"} {
		t.Setenv(debugEnv, debugging)
		out, err := os.Create(filepath.Join(t.TempDir(), "err"))
		if err != nil {
			t.Fatal(err)
		}
		a := &app{std: IO{Err: out}}
		code := a.guard(exitLauncher, func() error { panic("this cannot be") })
		text, err := os.ReadFile(out.Name())
		if err != nil || code != exitLauncher {
			t.Errorf("code %d, %v", code, err)
		}
		if !strings.Contains(string(text), "safe-run: internal error: this cannot be\nhint: ") {
			t.Errorf("got %s", text)
		}
		if stack := strings.Contains(string(text), "goroutine"); stack != (debugging != "") {
			t.Errorf("%s=%s: a stack is printed: %t", debugEnv, debugging, stack)
		}
	}
}

func TestExitCodes(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "err"))
	if err != nil {
		t.Fatal(err)
	}
	a := &app{std: IO{Err: out}}
	for want, err := range map[int]error{0: nil, 7: &exitError{Code: 7}, 126: &exitError{126, errors.New("x")}, 125: errors.New("y")} {
		if got := a.guard(125, func() error { return err }); got != want {
			t.Errorf("%v: code %d, want %d", err, got, want)
		}
	}
	text, err := os.ReadFile(out.Name())
	if err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("said %q, %v: an exit without an error says nothing", text, err)
	}
}
