package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/cmd/policies"
)

func lookupHome(name string) (string, bool) { return "/root", name == "HOME" }

func TestParseEnvFile(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
		fails      string
	}{
		{name: "plain", text: "A=1\nB=two words\n", want: []string{"A=1", "B=two words"}},
		{name: "no newline at the end", text: "A=1", want: []string{"A=1"}},
		{name: "quotes are kept", text: `A="x"`, want: []string{`A="x"`}},
		{name: "comments and empty lines", text: "# c\n\n  # d\nA=#1\n", want: []string{"A=#1"}},
		{name: "leading space goes, trailing stays", text: "  A= x ", want: []string{"A= x "}},
		{name: "empty value", text: "A=", want: []string{"A="}},
		{name: "looked up", text: "HOME\nNONE\n", want: []string{"HOME=/root"}},
		{name: "byte order mark", text: "\xef\xbb\xbfA=1", want: []string{"A=1"}},
		{name: "windows", text: "A=1\r\nB=2\r\n", want: []string{"A=1", "B=2"}},
		{name: "no name", text: "A=1\n=2", fails: `f:2: "" is not the name of a variable`},
		{name: "space in the name", text: "export A=secret", fails: `f:1: "export A" is not the name of a variable`},
		{name: "zero byte", text: "A=sec\x00ret", fails: "f:1: the value of A is not text in UTF-8"},
		{name: "no UTF-8", text: "A=\xff", fails: "f:1: the value of A is not text in UTF-8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseEnvFile("f", []byte(test.text), lookupHome)
			if test.fails != "" {
				if fmt.Sprint(err) != test.fails {
					t.Errorf("got %v, want %s", err, test.fails)
				}
				return
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestReadBounded(t *testing.T) {
	dir := t.TempDir()
	big, fifo := filepath.Join(dir, "big"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(big, make([]byte, 4097), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := policies.ReadBounded(big, 8192); err != nil || len(data) != 4097 {
		t.Errorf("within the bound: %d bytes, %v", len(data), err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, test := range []struct{ path, want string }{
			{big, big + " is larger than 4 KiB"},
			{dir, dir + " is not a regular file"},
			{fifo, fifo + " is not a regular file"},
			{"/dev/zero", "/dev/zero is not a regular file"},
		} {
			if _, err := policies.ReadBounded(test.path, 4096); fmt.Sprint(err) != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for somebody to write to a fifo")
	}
}

func FuzzEnvFile(f *testing.F) {
	for _, seed := range []string{"A=1\nB=2", "# c\n\nHOME\n", "=\n", "A\x00=1", "\xef\xbb\xbfA==\r\n", "\ufeff\ufeff=", "A=1\r\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		env, err := parseEnvFile("f", data, lookupHome)
		if err != nil {
			return
		}
		again, err := parseEnvFile("f", []byte(strings.Join(env, "\n")), lookupHome)
		if err != nil || !slices.Equal(again, env) {
			t.Fatalf("%q: %q reads as %q, %v", data, env, again, err)
		}
	})
}
