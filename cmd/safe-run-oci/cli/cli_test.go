package cli

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFlags: flags are taken as runc takes them.
func TestFlags(t *testing.T) {
	for _, c := range []struct {
		name, line string
		inOrder    bool
		want       string // arguments that are left
		err        bool
	}{
		{"before", "--text a -b id", false, "id", false},
		{"after", "id --text a -b", false, "id", false},
		{"one dash", "-text=a -b id", false, "id", false},
		{"off", "-b --b=false --text a id", false, "id", false},
		{"a program's own", "-b id --text a", true, "id --text a", false},
		{"ended", "--text a -- -b id", false, "-b id", false},
		{"ended later", "id -- --text a", false, "id --text a", false},
		{"unknown", "--nope id", false, "", true},
		{"no value", "id --text", false, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, text, on := newFlags(), "", false
			f.text(&text, "text, t", "", "text")
			f.bool(&on, "b", "bool")
			rest, err := f.parse(strings.Fields(c.line), c.inOrder)
			if (err != nil) != c.err || strings.Join(rest, " ") != c.want {
				t.Errorf("left %q, %v", rest, err)
			}
		})
	}
	if _, err := newFlags().parse([]string{"x", "-h"}, false); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("help: %v", err)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"-1": -1, "0": 0, "1048576": 1 << 20, "32M": 32 << 20, "32MiB": 32 << 20, "0.5g": 1 << 29, "1k": 1 << 10, "2T": 2 << 40,
	} {
		if got, err := size(text); err != nil || got != want {
			t.Errorf("size(%q) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "-2", "1q", "M", "NaN", "9999999999P", "1kk"} {
		if got, err := size(text); err == nil {
			t.Errorf("size(%q) = %d", text, got)
		}
	}
}

func TestSubCgroups(t *testing.T) {
	got, err := subCgroups([]string{"cpu,memory:/a", "pids:/b"})
	if err != nil || got["cpu"] != "/a" || got["memory"] != "/a" || got["pids"] != "/b" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, args := range [][]string{{"/a", "/b"}, {":/a"}, {"cpu:/a", "cpu:/b"}, {"cpu,:/a"}} {
		if got, err := subCgroups(args); err == nil {
			t.Errorf("%q gave %v", args, got)
		}
	}
}

// TestBadBundles: what is wrong with a bundle is said in one line.
func TestBadBundles(t *testing.T) {
	long := "{\"ociVersion\":\"" + strings.Repeat("x", maxConfig) + "\"}"
	for name, c := range map[string]struct{ content, want string }{
		"none":       {"", "not found"},
		"null":       {"null", "null"},
		"text":       {"hello\n\x1b[31m", "invalid character"},
		"cut short":  {`{"process":{`, "EOF"},
		"huge":       {long, "MiB"},
		"no process": {`{"ociVersion":"1.0.0"}`, "process property"},
		"no cwd":     {`{"process":{"args":["a"]}}`, "Cwd property"},
		"relative":   {`{"process":{"args":["a"],"cwd":"x"}}`, "absolute"},
		"no args":    {`{"process":{"cwd":"/"}}`, "args"},
		"wrong type": {`{"process":7}`, "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			if c.content != "" {
				if err := os.WriteFile(configFile, []byte(c.content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := openBundle(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir(configFile, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := readConfig(); err == nil {
		t.Error("a directory is no config")
	}
	if err := os.WriteFile(filepath.Join(dir, "unknown"), []byte(`{"future":{"x":[1]},"process":{"args":["a"],"cwd":"/"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(configFile), os.Rename("unknown", configFile)); err != nil {
		t.Fatal(err)
	}
	if oci, err := readConfig(); err != nil || oci.Process.Args[0] != "a" {
		t.Errorf("fields of a later version are not known, and are no fault: %v", err)
	}
}

// command runs one command line and gives what it printed.
func command(t *testing.T, args ...string) (code int, out, errors string) {
	t.Helper()
	dir := t.TempDir()
	files := make([]*os.File, 2)
	for i := range files {
		f, err := os.Create(filepath.Join(dir, string(rune('a'+i))))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	code = Main(append([]string{"safe-run-oci"}, args...), IO{In: os.Stdin, Out: files[0], Err: files[1]})
	text := make([]string, 2)
	for i, f := range files {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		text[i] = string(data)
	}
	return code, text[0], text[1]
}

// TestExitCodes are runc's.
func TestExitCodes(t *testing.T) {
	root := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		want string // on standard error
	}{
		{[]string{"--root", root, "state", "none"}, 1, "container does not exist"},
		{[]string{"--root", root, "state", "../none"}, 1, "invalid container ID"},
		{[]string{"--root", root, "state", ""}, 1, "container id cannot be empty"},
		{[]string{"--root", root, "delete", "a/b"}, 1, "invalid container ID"},
		{[]string{"--root", root, "delete", "none"}, 1, "container does not exist"},
		{[]string{"--root", root, "delete", "--force", "none"}, 0, ""},
		{[]string{"--root", root, "exec", "none", "true"}, 255, "exec failed: container does not exist"},
		{[]string{"--root", root, "kill", "none", "TERM"}, 1, "container does not exist"},
		{[]string{"--root", root, "start"}, 1, "requires exactly 1 argument"},
		{[]string{"--root", root, "kill", "a", "b", "c"}, 1, "requires a maximum of 2"},
		{[]string{"--root", "/", "list"}, 1, "--root argument should not be set to /"},
		{[]string{"--root", root + "/none", "list"}, 1, "no such file"},
		{[]string{"--root", root, "list", "--format", "x"}, 1, "invalid format option"},
		{[]string{"--root", root, "list", "--nope"}, 1, "not defined: -nope"},
		{[]string{"--log-format", "x", "list"}, 1, "invalid log-format"},
		{[]string{"nope"}, 3, "No help topic for 'nope'"},
		{[]string{"--root", root, "run", "--bundle", root + "/none", "x"}, 1, "no such file"},
		{[]string{"--root", root, "create", "--bundle", root, "x"}, 1, "config.json not found"},
	} {
		here, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		code, _, text := command(t, c.args...)
		t.Chdir(here)
		if code != c.code || !strings.Contains(text, c.want) || strings.Count(text, "\n") > 1 {
			t.Errorf("%q: %d, %q; want %d, %q", c.args, code, text, c.code, c.want)
		}
	}
}

func TestHelpAndFeatures(t *testing.T) {
	code, out, _ := command(t, "--help")
	if code != 0 || !strings.Contains(out, "safe-run-oci - Open Container Initiative runtime") {
		t.Errorf("%d, %q", code, out)
	}
	for _, v := range (&app{}).verbs() {
		if code, out, _ := command(t, v.name, "--help"); code != 0 || !strings.Contains(out, "safe-run-oci "+v.name) || v.usage == "" {
			t.Errorf("%s: %d, %q", v.name, code, out)
		}
	}
	if code, out, _ := command(t, "features"); code != 0 || !strings.Contains(out, `"ociVersionMax"`) {
		t.Errorf("%d, %q", code, out)
	}
	code, out, _ = command(t, "--version")
	lines := strings.Split(out, "\n")
	if code != 0 || len(lines) < 3 || !strings.HasPrefix(lines[0], "safe-run-oci version ") || !strings.HasPrefix(lines[2], "spec: ") {
		t.Errorf("%d, %q", code, out)
	}
}

func TestVerbsHaveOneName(t *testing.T) {
	var names []string
	for _, v := range (&app{}).verbs() {
		names = append(names, v.name)
	}
	slices.Sort(names)
	want := strings.Fields("create delete events exec features kill list pause ps resume run spec start state update")
	if !slices.Equal(names, want) {
		t.Errorf("got %v", names)
	}
}

// TestDamagedState: one container that cannot be read does not hide the others,
// nor end the program.
func TestDamagedState(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{"null": "null", "text": "x", "empty": "", "object": "{}", "deep": `{"config":{"cgroups":null}}`} {
		dir := filepath.Join(root, name)
		if err := errors.Join(os.Mkdir(dir, 0o711), os.WriteFile(filepath.Join(dir, "state.json"), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
		if code, _, text := command(t, "--root", root, "state", name); code != 1 || strings.Count(text, "\n") != 1 {
			t.Errorf("%s: %d, %q", name, code, text)
		}
	}
	code, out, text := command(t, "--root", root, "list", "-q")
	if code != 0 || out != "" || strings.Count(text, "\n") != 5 {
		t.Errorf("%d, %q, %q", code, out, text)
	}
}

func TestDurations(t *testing.T) {
	f, d := newFlags(), time.Duration(0)
	f.duration(&d, "interval", time.Second, "")
	if _, err := f.parse([]string{"-interval", "100ms"}, false); err != nil || d != 100*time.Millisecond {
		t.Errorf("%v, %v", d, err)
	}
}
