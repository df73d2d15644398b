package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/exporttest"
	"github.com/safe-run/safe-run/spec/quote/quotetest"
)

func input(name string) export.Input {
	in := exporttest.Input(exporttest.Profile(name))
	in.Image = export.Image{}
	in.Command, in.Args, in.Env = []string{"/bin/true"}, []string{"a b", "$x", "100%", "it's\n"}, []string{"A=b c$d %n", "B='\""}
	return in
}

// TestSystemdReadsIt: systemd itself takes every unit without a complaint, and
// finds little exposure.
func TestSystemdReadsIt(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("NOT CHECKED: the units: systemd-analyze is not installed")
	}
	dir := t.TempDir()
	for _, name := range builtin.Names() {
		result, err := Export(input(name))
		if err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(dir, "app-"+name+".service")
		if err := os.WriteFile(unit, result.Files[0].Data, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
		// Calls that are newer than this systemd are left out of the filter.
		said := regexp.MustCompile(`(?m)^.*Failed to parse system call, ignoring: .*$`).ReplaceAllString(string(out), "")
		if err != nil || strings.Contains(said, "app-"+name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		out, err = exec.Command(analyze, "security", "--offline=true", "--no-pager", unit).CombinedOutput()
		found := regexp.MustCompile(`exposure level for \S+: ([\d.]+)`).FindSubmatch(out)
		if err != nil || found == nil {
			t.Errorf("%s: no score: %v\n%s", name, err, out)
			continue
		}
		if score, _ := strconv.ParseFloat(string(found[1]), 64); score > 2.5 {
			t.Errorf("%s: exposure %.1f\n%s", name, score, out)
		} else {
			t.Logf("%s: exposure %.1f", name, score)
		}
	}
}

func TestNoFieldForgotten(t *testing.T) {
	forgotten, err := exporttest.Forgotten(func(in export.Input) (export.Result, error) {
		in.Command = []string{"/bin/true"}
		return Export(in)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range forgotten {
		t.Errorf("%s is neither expressed nor told as a loss", field)
	}
}

func TestWordsComeBack(t *testing.T) {
	result, err := Export(input("web"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(result.Files[0].Data), "\n") {
		if rest, ok := strings.CutPrefix(line, "ExecStart="); ok {
			words, err := quotetest.UnitWords(rest)
			if err != nil || strings.Join(words, "|") != "/bin/true|a b|$x|100%|it's\n" {
				t.Errorf("%q, %v", words, err)
			}
		}
	}
	if _, err := Export(exporttest.Input(exporttest.Profile("web"))); err == nil {
		t.Error("an image is taken for a program")
	}
}
