package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
)

// FuzzTrust: whatever --trust says is read or refused in one line.
func FuzzTrust(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"registries":["ghcr.io"]}`, `{"x":1}`, `{}{}`, `{"vulnerabilities":{"maxAge":-1}}`, "null", "[", "\x1b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a := &app{trust: text}
		if _, err := a.policy(&cobra.Command{Use: "pull"}); err != nil && strings.ContainsAny(oneLine(err.Error()), "\n\x1b") {
			t.Fatalf("error %q", err)
		}
	})
}

// FuzzTarget: where an image is written is a place for it.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"oci:x", "oci:x:1", "oci-archive:x.tar", "docker-archive:x.tar:app:1", "docker-archive:x", "dir:x", "x", "\x00", "oci::", "docker://x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, to string) {
		ref, err := saveTarget("", to)
		if err == nil && to != "" && (ref.Path == "" || ref.Transport == image.DockerArchive && ref.Tag == "") {
			t.Fatalf("%q is written to %+v", to, ref)
		}
	})
}

// FuzzShown: nothing that a terminal acts on is left.
func FuzzShown(f *testing.F) {
	for _, seed := range []string{"", "a\x1b[2J", "\xff", "\u202e", "a\nb", "ü"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if out := printable(s); strings.ContainsFunc(out, func(c rune) bool { return c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0x202e }) {
			t.Fatalf("%q is shown as %q", s, out)
		}
	})
}
