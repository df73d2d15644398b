package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// sameRunc is runc built from the module whose library safe-run-oci has.
var sameRunc = sync.OnceValues(func() (string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runc").Output()
	if err != nil {
		return "", err
	}
	path := filepath.Join(scratch, "runc")
	cmd := exec.Command("go", "build", "-tags", "seccomp", "-o", path, ".")
	cmd.Dir = strings.TrimSpace(string(dir))
	return path, cmd.Run()
})

func needSameRunc(t *testing.T) string {
	t.Helper()
	path, err := sameRunc()
	if err != nil {
		t.Skip("NOT CHECKED: what runc of the same version says: it could not be built: ", err)
	}
	return path
}

// ownAnnotations are the annotations of features that are not runc's, or not as
// runc's: who it is, and that it makes no checkpoints.
var ownAnnotations = []string{
	"dev.safe-run.version", "org.opencontainers.runc.version", "org.opencontainers.runc.commit",
	"org.opencontainers.runc.checkpoint.enabled",
}

// TestOCIFeatures: what engines ask before they use something is answered as
// runc answers it, field by field.
func TestOCIFeatures(t *testing.T) {
	read := func(runtime string) map[string]any {
		out, err := exec.Command(runtime, "features").Output()
		must(t, err)
		var all map[string]any
		must(t, json.Unmarshal(out, &all))
		annotations := all["annotations"].(map[string]any)
		for _, key := range ownAnnotations {
			delete(annotations, key)
		}
		return all
	}
	compareFields(t, "", read(safeRunOCI(t)), read(needSameRunc(t)))
}

// compareFields names each field that differs.
func compareFields(t *testing.T, at string, ours, theirs map[string]any) {
	t.Helper()
	for key, their := range theirs {
		our, is := ours[key]
		a, nested := our.(map[string]any)
		b, both := their.(map[string]any)
		switch {
		case nested && both:
			compareFields(t, at+"."+key, a, b)
		case !is || !reflect.DeepEqual(our, their):
			t.Errorf("%s.%s is %v, runc's %v", at, key, our, their)
		}
	}
	for key := range ours {
		if _, is := theirs[key]; !is {
			t.Errorf("%s.%s is not runc's", at, key)
		}
	}
}

// TestOCILog: the last line of the log, which engines read when a call fails,
// and standard error say what runc's say.
func TestOCILog(t *testing.T) {
	same := needSameRunc(t)
	ours, theirs := newBundle(t, safeRunOCI(t)), newBundle(t, same)
	for _, b := range []*bundle{ours, theirs} {
		b.write(t, "sleep", "60")
		b.must(t, "run", "--detach", "up")
	}
	broken := func(change func(*bundle)) func(*bundle) {
		return func(b *bundle) {
			old := *b.oci
			change(b)
			b.write(t, b.oci.Process.Args...)
			*b.oci = old
		}
	}
	args := func(words ...string) func(*bundle) {
		return func(b *bundle) { b.write(t, words...) }
	}
	for _, c := range []struct {
		line string
		set  func(*bundle)
	}{
		{"run c", args("/nope")},
		{"run c", args("nope")},
		{"run c", args("/tmp")},
		{"run c", args("/not-executable")},
		{"run c", args()},
		{"run c", broken(func(b *bundle) { b.oci.Hostname, b.oci.Version = "x", "not a version" })},
		{"create up", args("true")},
		{"create ../c", nil},
		{"create --bundle /none c", nil},
		{"create --console-socket /none c", nil},
		{"start none", nil},
		{"start up", nil},
		{"state none", nil},
		{"delete up", nil},
		{"delete none", nil},
		{"kill none", nil},
		{"kill up NOPE", nil},
		{"exec up /nope", nil},
		{"exec up nope", nil},
		{"exec up /tmp", nil},
		{"exec --cwd /none up true", nil},
		{"exec --user 12345:nope up true", nil},
		{"exec none true", nil},
		{"resume none", nil},
		{"resume up", nil},
		{"pause none", nil},
		{"update --memory nope up", nil},
		{"update --memory 1 up", nil},
		{"events --stats none", nil},
		{"ps none", nil},
		{"list --format nope", nil},
	} {
		if c.set != nil {
			c.set(ours)
			c.set(theirs)
		}
		our, their := ours.failure(t, c.line), theirs.failure(t, c.line)
		if our != their {
			t.Errorf("%s:\n%+v, runc:\n%+v", c.line, our, their)
		}
	}
}

// changing is what differs from call to call: amounts of memory in use, and which
// of Go's functions did not like a number.
var changing = regexp.MustCompile(`usage: \d+|strconv\.\w+`)

// failure is how a call failed, with what differs between two runtimes replaced.
type failure struct {
	code             int
	level, msg, text string
}

func (b *bundle) failure(t *testing.T, line string) failure {
	t.Helper()
	log := filepath.Join(b.dir, "log.json")
	code, _, text := b.call(append([]string{"--log", log, "--log-format", "json"}, words(line)...)...)
	data, err := os.ReadFile(log)
	must(t, err)
	must(t, os.Remove(log))
	var last struct{ Level, Msg string }
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Errorf("%s logs %q", line, lines.Text())
		}
	}
	replace := strings.NewReplacer(b.dir, "DIR", b.runtime, "RUNTIME", filepath.Base(b.runtime), "RUNTIME").Replace
	same := func(text string) string { return changing.ReplaceAllString(replace(text), "*") }
	return failure{code, last.Level, same(last.Msg), same(text)}
}
