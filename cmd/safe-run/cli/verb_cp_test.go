package cli

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// TestSides: what is a container's path is what docker takes for one.
func TestSides(t *testing.T) {
	for typed, want := range map[string]side{
		"site:/etc/x":     {container: "site", path: "/etc/x"},
		"site:etc/x":      {container: "site", path: "etc/x"},
		"site:":           {container: "site"},
		"site:a:b":        {container: "site", path: "a:b"},
		"site:-":          {container: "site", path: "-"},
		"file":            {path: "file"},
		"-":               {path: "-"},
		".":               {path: "."},
		"./site:x":        {path: "./site:x"},
		"../site:x":       {path: "../site:x"},
		".hidden:x":       {path: ".hidden:x"},
		"/srv/a:b":        {path: "/srv/a:b"},
		"dir/with:colon":  {container: "dir/with", path: "colon"},
		"/":               {path: "/"},
		"site:/..//../x/": {container: "site", path: "/..//../x/"},
	} {
		want.typed = typed
		if got := sideOf(typed); got != want {
			t.Errorf("%q is %+v, want %+v", typed, got, want)
		}
	}
}

// TestCopyArguments: what needs no look at a container is refused without one.
func TestCopyArguments(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range [][3]string{
		{"a", "b", "neither a nor b"},
		{"-", "-", "neither - nor -"},
		{"./a:b", "/c:d", "neither ./a:b nor /c:d"},
		{"a:b", "c:d", "not copied from one container to another"},
		{"", "c:d", "a path is empty"},
		{"a:b", "", "a path is empty"},
		{":b", "c", "names no container"},
		{"a:b", "-", ""},
		{"-", "a:b", ""},
		{"x", "a:", ""},
	} {
		copying := copying{app: &app{std: IO{In: null, Out: null, Err: null}}, from: sideOf(c[0]), to: sideOf(c[1])}
		err := copying.check()
		if c[2] == "" && err != nil || c[2] != "" && (err == nil || !strings.Contains(err.Error(), c[2]) || problem.HintOf(err) == "") {
			t.Errorf("cp %q %q: %v", c[0], c[1], err)
		}
	}
}

// TestCopyFailsAtOnce: a copy that failed does not wait for whoever writes the
// archive.
func TestCopyFailsAtOnce(t *testing.T) {
	program := t.TempDir() + "/program"
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec cat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SAFE_RUN_IMAGE", program)
	in, producer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer producer.Close()
	c := copying{app: &app{std: IO{In: in}}, from: sideOf("-"), to: sideOf("a:b")}
	done, err := c.stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- done(errors.New("it failed")) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it waits for the archive")
	}
}

// TestEscaped: a name is one line, and no other's.
func TestEscaped(t *testing.T) {
	for name, want := range map[string]string{
		"/etc/é x": "/etc/é x", "/a\nA /b": `"/a\nA /b"`, "/a\x1b[2J": `"/a\x1b[2J"`, "/\xff": `"/\xff"`, "/\u202e": `"/\u202e"`,
	} {
		if got := escaped(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}
