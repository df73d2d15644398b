package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

// Where the transcript is.
const (
	transcriptScript      = "testdata/transcript/script.txt"
	transcriptDifferences = "testdata/transcript/differences.txt"
)

// answer is what one command of the script gave.
type answer struct {
	line string
	result
}

// part is one of the things that are compared.
func (a answer) part(name string) string {
	switch name {
	case "code":
		return fmt.Sprint(a.code)
	case "out":
		return normal(a.line, a.out)
	}
	return normalErrors(a.line, a.err, a.code)
}

// TestTranscript: one script through docker's command line and ours. Where they
// differ the difference is on the list, with its reason; the list has no other.
func TestTranscript(t *testing.T) {
	y := newYard(t)
	docker := newPlainDocker(t)
	script := readScript(t)
	var theirs []answer
	done := make(chan struct{})
	go func() {
		defer close(done)
		theirs = play(script, docker.image, func(args []string) result { return docker.run(args) })
	}()
	t.Setenv("SAFE_RUN_VOLUMES", filepath.Join(t.TempDir(), "volumes"))
	ours := play(script, "dir:"+docker.tree, func(args []string) result {
		cmd := y.launch(t, args...)
		cmd.Env = append(cmd.Env, "SAFE_RUN_VOLUMES="+os.Getenv("SAFE_RUN_VOLUMES"))
		return y.owned(args, finish(t, cmd))
	})
	<-done
	compare(t, theirs, ours, readDifferences(t))
}

// compare compares all and says what is not as the list has it.
func compare(t *testing.T, theirs, ours []answer, expected map[string]string) {
	t.Helper()
	same := 0
	for i := range theirs {
		equal := true
		for _, part := range []string{"code", "out", "err"} {
			a, b := theirs[i].part(part), ours[i].part(part)
			key := theirs[i].line + " | " + part
			reason, listed := expected[key]
			delete(expected, key)
			switch {
			case a == b && listed:
				t.Errorf("%s: they are the same by now; take it off the list (%s)", key, reason)
			case a != b && !listed:
				t.Errorf("%s\n\tdocker:   %q\n\tsafe-run: %q\n\tdocker said: %s%s\n\tsafe-run said: %s%s", key, a, b,
					theirs[i].out, theirs[i].err, ours[i].out, ours[i].err)
			}
			equal = equal && a == b
		}
		if equal {
			same++
		}
	}
	var unused []string
	for key := range expected {
		unused = append(unused, key)
	}
	sort.Strings(unused)
	for _, key := range unused {
		t.Errorf("%s: on the list, but not in the script", key)
	}
	t.Logf("%d of %d commands are the same", same, len(theirs))
}

// readScript reads the commands.
func readScript(t *testing.T) (lines []string) {
	t.Helper()
	data, err := os.ReadFile(transcriptScript)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// readDifferences reads the list: a command, a part of what it gives, and why it
// is another, a line each, with bars between them.
func readDifferences(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(transcriptDifferences)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, " | ", 3)
		if len(fields) != 3 || fields[2] == "" {
			t.Fatalf("%s: %q is not COMMAND | PART | REASON", transcriptDifferences, line)
		}
		key := fields[0] + " | " + fields[1]
		if found[key] != "" {
			t.Errorf("%s: %s is there twice", transcriptDifferences, key)
		}
		found[key] = fields[2]
	}
	return found
}

// play runs the script, each command numbered by how often it has been there.
func play(script []string, image string, run func(args []string) result) (all []answer) {
	times := map[string]int{}
	for _, line := range script {
		text := line
		if rest, is := strings.CutPrefix(line, "UNTIL "); is {
			repeat(words(rest), run)
			continue
		}
		if rest, is := strings.CutPrefix(line, "RUN "); is {
			text = "run --network none --ulimit nofile=256:256 " + rest
		}
		args := words(text)
		for i, arg := range args {
			if arg == "IMAGE" {
				args[i] = image
			}
		}
		if times[line]++; times[line] > 1 {
			line += fmt.Sprintf(" (%d)", times[line])
		}
		all = append(all, answer{line, run(args)})
	}
	return all
}

// repeat repeats a command until it prints its first word.
func repeat(args []string, run func(args []string) result) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got := run(args[1:]); strings.Contains(got.out+got.err, args[0]) {
			return
		}
	}
}

// owned leaves out of what ps lists the containers that the ledger does not have:
// somebody else's may run in the foreground.
func (y *yard) owned(args []string, got result) result {
	if args[0] != "ps" {
		return got
	}
	ids := y.ids()
	var kept strings.Builder
	for line := range strings.Lines(got.out) {
		first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		foreign := len(first) >= 12 && strings.Trim(first, "0123456789abcdef") == "" &&
			!slices.ContainsFunc(ids, func(id string) bool { return strings.HasPrefix(id, first) })
		if !foreign {
			kept.WriteString(line)
		}
	}
	got.out = kept.String()
	return got
}
