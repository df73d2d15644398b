package exports

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/podman"
	"github.com/safe-run/safe-run/spec/quote/quotetest"
)

// quadletsOwn are the words that Quadlet gives every container.
var quadletsOwn = []string{"/usr/bin/podman", "run", "--cidfile=CID", "--replace", "--rm", "--cgroups=split", "--sdnotify=conmon", "-d"}

// TestQuadlet: what Quadlet makes of the unit runs podman with the words of the
// script beside it, whatever was typed.
func TestQuadlet(t *testing.T) {
	quadlet := program(t, "quadlet", "what Quadlet makes of a unit")
	for _, profile := range builtin.Names() {
		t.Run(profile, func(t *testing.T) {
			in := input(t, profile)
			in.Env = []string{"A=b c$d", "B='\"\n", "C=%n $(HOME) ${HOME} \\x41", "D="}
			in.Args = []string{"serve", "it's", "$HOME", "%h", "a\\b", "\t"}
			result, err := podman.Export(in)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if export.Covers(result.Losses, "command") {
				t.Error("a loss is told of a command that Quadlet takes")
			}
			for _, f := range result.Files {
				if err := os.WriteFile(filepath.Join(dir, f.Path), f.Data, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), quadlet, "-dryrun")
			cmd.Env = []string{"QUADLET_UNIT_DIRS=" + dir}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			unit, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s%s", err, unit, stderr.Bytes())
			}
			words := started(t, unit)
			for _, own := range quadletsOwn {
				if at := slices.Index(words, own); at >= 0 {
					words = slices.Delete(words, at, at+1)
				} else {
					t.Errorf("Quadlet says no %s", own)
				}
			}
			if diff := cmp.Diff(sorted(scripted(t, dir, result)), sorted(words)); diff != "" {
				t.Errorf("the unit is not the script:%s\n%s", diff, unit)
			}
			// In the same order where it matters: the program and its arguments.
			if tail := words[len(words)-len(in.Args):]; !slices.Equal(tail, in.Args) {
				t.Errorf("the arguments are %q", tail)
			}
		})
	}
}

// started are the words that a unit starts, as systemd takes them.
func started(t *testing.T, unit []byte) []string {
	t.Helper()
	_, rest, found := strings.Cut(string(unit), "\nExecStart=")
	line, _, _ := strings.Cut(rest, "\n")
	words, err := quotetest.UnitWords(strings.Replace(line, "%t/%N.cid", "CID", 1))
	if err != nil || !found {
		t.Fatalf("%v in\n%s", err, unit)
	}
	return words
}

// TestQuadletEmptyWord: Quadlet leaves out an empty word, which the losses say.
func TestQuadletEmptyWord(t *testing.T) {
	quadlet := program(t, "quadlet", "what Quadlet makes of an empty word")
	in := input(t, "default")
	in.Args = []string{"first", "", "last"}
	result, err := podman.Export(in)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range result.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Path), f.Data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), quadlet, "-dryrun")
	cmd.Env = []string{"QUADLET_UNIT_DIRS=" + dir}
	unit, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	words := started(t, unit)
	if gone := !slices.Contains(words, ""); gone != export.Covers(result.Losses, "command") {
		t.Errorf("Quadlet leaves the empty word out: %v, and the losses are %+v", gone, result.Losses)
	}
}

// scripted are the words with which the script starts podman, as Quadlet writes them.
func scripted(t *testing.T, dir string, result export.Result) []string {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "podman"), []byte("#!/bin/sh\nprintf '%s\\0' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "podman-run.sh"))
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(strings.TrimPrefix(string(out), "run\x00"), "\x00"), "\x00")
}

// sorted are words without the ways in which both write the same: --name app for
// --name=app, and where the filter is.
func sorted(words []string) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case slices.Contains([]string{"--name", "--env", "--publish"}, w) && i+1 < len(words):
			i++
			w += "=" + words[i]
		case strings.HasPrefix(w, "--security-opt=seccomp="):
			w = "--security-opt=seccomp=FILE"
		}
		out = append(out, w)
	}
	slices.Sort(out)
	return out
}
