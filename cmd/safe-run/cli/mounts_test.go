package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/safe-run/safe-run/sandbox/volume"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func TestParseVolume(t *testing.T) {
	tests := []struct{ text, want string }{
		{"/srv:/data", "/srv:/data:rw"},
		{"./srv:/data:ro", "./srv:/data:ro"},
		{"..:/data/../x//y/", "..:/x/y:rw"},
		{".:/data:ro,exec", ".:/data:ro,exec"},
		{"/srv:/data:exec,noexec,ro,rw", "/srv:/data:rw"},
		{"/srv:/data:nosuid,nodev,rprivate,cached", "/srv:/data:rw"},
		{"/data", "/data"},
		{"/data/../x/", "/x"},
		{"data", `the container path "data" is not absolute`},
		{"data:/data", "data:/data:rw"},
		{"da.ta_1-x:/data:ro,nocopy,exec", "da.ta_1-x:/data:ro,exec,nocopy"},
		{"data:/data:U", "option U is not needed: a new volume belongs to the container's user"},
		{"data:/data:suid", "option suid is refused: host files never gain privileges or devices inside"},
		{"data:/", "the container's root cannot be mounted over"},
		{"a:/data", `"a" is neither a path of the host nor the name of a volume`},
		{"a/b:/data", `"a/b" is neither a path of the host nor the name of a volume`},
		{".hidden:/data", `".hidden" is neither a path of the host nor the name of a volume`},
		{"/srv:/data:nocopy", `mount option "nocopy" is not known`},
		{":/data", "the host path is empty"},
		{"~/data:/data", `the shell has not replaced ~ in "~/data"`},
		{"/srv:data", `the container path "data" is not absolute`},
		{"/srv:", `the container path "" is not absolute`},
		{"/srv:/", "the container's root cannot be mounted over"},
		{"/srv:/data/..", "the container's root cannot be mounted over"},
		{"/srv:/da\nta", `"/da\nta" is not a usable path`},
		{"/srv:/data:", `mount option "" is not known`},
		{"/srv:/data:Z", "option Z is refused: host files are never relabelled"},
		{"/srv:/data:U", "option U is not needed: what the container writes belongs to the owner of the host directory"},
		{"/srv:/data:suid", "option suid is refused: host files never gain privileges or devices inside"},
		{"/srv:/data:rshared", "option rshared is refused: mounts are private, so that none passes between host and container"},
	}
	for _, test := range tests {
		m, err := parseVolume(test.text)
		got := fmt.Sprint(err)
		if err == nil {
			got = formatShort(m)
		}
		if got != test.want {
			t.Errorf("-v %q: got %s, want %s", test.text, got, test.want)
		}
		if err == nil && flagOf(m) != "--volume "+test.text {
			t.Errorf("-v %q: the flag is kept as %q", test.text, flagOf(m))
		}
	}
}

// formatShort writes what -v asks for so that it reads the same.
func formatShort(m mount) string {
	if m.Volume != nil {
		return formatNamed(*m.Volume)
	}
	return formatVolume(*m.Bind)
}

func flagOf(m mount) string {
	if m.Volume != nil {
		return m.Volume.Flag
	}
	return m.Bind.Flag
}

func TestStatBind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := statBind(spec.Bind{Source: filepath.Join(dir, "link", "link", "file")})
	if err != nil || got.Source != file || got.IsDir || got.OwnerUID != uint32(os.Getuid()) {
		t.Errorf("a file behind links: %+v, %v", got, err)
	}
	t.Chdir(dir)
	if got, err = statBind(spec.Bind{Source: "."}); err != nil || got.Source != dir || !got.IsDir {
		t.Errorf("the directory we are in: %+v, %v", got, err)
	}
	_, err = statBind(spec.Bind{Source: "./none"})
	if fmt.Sprint(err) != "host path ./none does not exist" || problem.HintOf(err) != "make it first: mkdir ./none" {
		t.Errorf("a missing source: %v, hint %q", err, problem.HintOf(err))
	}
	if _, err = statBind(spec.Bind{Source: "./fifo"}); fmt.Sprint(err) != "host path ./fifo is a named pipe" {
		t.Errorf("a fifo: %v", err)
	}
	if _, err = statBind(spec.Bind{Source: "/dev/null"}); fmt.Sprint(err) != "host path /dev/null is a device" {
		t.Errorf("a device: %v", err)
	}
}

func FuzzParseVolume(f *testing.F) {
	for _, seed := range []string{"/a:/b", "./a:/b:ro,exec", "a:/b", "/a:/b:c:d", "..:/x/../y", "~:/a", ":::", "/a", "name:/b:nocopy,ro"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseVolume(text)
		if err != nil {
			return
		}
		printed := formatShort(m)
		again, err := parseVolume(printed)
		if err != nil {
			t.Fatalf("%q: printed as %q: %v", text, printed, err)
		}
		target := ""
		if m.Volume != nil {
			target, again.Volume.Flag = m.Volume.Target, m.Volume.Flag
			if m.Volume.Name != "" && !volume.ValidName(m.Volume.Name) {
				t.Fatalf("%q: name %q", text, m.Volume.Name)
			}
		} else {
			target, again.Bind.Flag = m.Bind.Target, m.Bind.Flag
		}
		if !reflect.DeepEqual(again, m) {
			t.Fatalf("%q: %+v printed as %q reads as %+v", text, m, printed, again)
		}
		if !strings.HasPrefix(target, "/") || target == "/" {
			t.Fatalf("%q: target %q", text, target)
		}
	})
}
