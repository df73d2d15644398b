package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/ledger"
)

func TestListContainers(t *testing.T) {
	list := []row{
		{ID: strings.Repeat("a", 64), Name: "site", Status: ledger.Running, Ports: []string{"127.0.0.1:8080->80/tcp", "0.0.0.0:53->53/udp"}},
		{ID: strings.Repeat("b", 64), Name: "job", Status: ledger.Running},
	}
	printed := func(format format, quiet bool) string {
		t.Helper()
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if err := (&app{std: IO{Out: out}, format: format}).listContainers(list, psOptions{quiet: quiet}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got, want := printed(formatTable, true), "aaaaaaaaaaaa\nbbbbbbbbbbbb\n"; got != want {
		t.Errorf("quiet: %q, want %q", got, want)
	}
	for _, f := range []format{formatTable, formatJSON} {
		got := strings.ReplaceAll(printed(f, false), `\u003e`, ">")
		for _, port := range list[0].Ports {
			if !strings.Contains(got, port) {
				t.Errorf("%s: no %s in:\n%s", f, port, got)
			}
		}
	}
}
