package cli

import (
	"io"
	"testing"
)

func TestWrapped(t *testing.T) {
	for _, c := range []struct {
		width      int
		text, want string
	}{
		{40, "short   line\n", "short   line\n"},
		{20, "high   SR-IMG-001   the user is root\n", "high SR-IMG-001 the\n  user is root\n"},
		{16, "    mend: USER 1000 here\n", "    mend: USER\n      1000 here\n"},
		{10, "at /usr/lib/x86_64/lib.so now\n", "at\n  /usr/lib/x86_64/lib.so\n  now\n"},
		{1, "\n", "\n"},
	} {
		if got := wrapped(c.text, c.width); got != c.want {
			t.Errorf("%q in %d columns is %q, want %q", c.text, c.width, got, c.want)
		}
	}
	if n := columnsOf(io.Discard); n != 0 {
		t.Errorf("what is no terminal has %d columns", n)
	}
}
