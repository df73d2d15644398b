package integration

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestDiff: what a container writes into its root is listed, and what it writes
// elsewhere is not.
func TestDiff(t *testing.T) {
	y := newYard(t)
	for _, dir := range []string{"/etc", "/srv/sub", "/etc/gone/deep"} {
		if err := os.MkdirAll(y.root+dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"/etc/changed", "/etc/same", "/srv/sub/removed", "/srv/sub/renamed", "/etc/gone/deep/f"} {
		if err := os.WriteFile(y.root+name, []byte("image\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"/", "/etc", "/srv", "/srv/sub", "/etc/gone", "/etc/gone/deep", "/etc/changed", "/etc/same"} {
		if err := os.Chmod(y.root+dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	y.detach(t, []string{"--name", "writes", "--read-only=false", "--tmpfs", "/scratch"}, "sleep", "1000")
	if got := y.must(t, "diff", "writes"); got != "" {
		t.Errorf("before anything is written:\n%s", got)
	}
	y.must(t, "exec", "writes", "sh", "-c", `set -e; echo x >> /etc/changed; exec 3<>/etc/same; echo x > /scratch/x; echo x > /tmp/x
		busybox rm /srv/sub/removed; busybox mv /srv/sub/renamed /srv/sub/now; busybox rm -r /etc/gone; busybox mkdir -p /srv/new/dir; echo x > "/srv/new/dir/a
b"`)
	want := `C /etc
C /etc/changed
D /etc/gone
C /srv
A /srv/new
A /srv/new/dir
A "/srv/new/dir/a\nb"
C /srv/sub
A /srv/sub/now
D /srv/sub/removed
D /srv/sub/renamed`
	if got := y.must(t, "diff", "writes"); got != want {
		t.Errorf("diff:\n%s\nwant\n%s", got, want)
	}
	var changes []struct{ Kind, Path string }
	if err := json.Unmarshal([]byte(y.must(t, "diff", "--format", "json", "writes")), &changes); err != nil || len(changes) != 11 || changes[6].Path != "/srv/new/dir/a\nb" {
		t.Errorf("%v, %v", changes, err)
	}

	// What cp writes is a change as well.
	y.must(t, "cp", "writes:/etc/same", "-q", t.TempDir())
	y.must(t, "cp", y.root+"/etc/same", "writes:/copied")
	if got := y.must(t, "diff", "writes"); !strings.Contains(got, "\nA /copied\n") && !strings.HasPrefix(got, "A /copied\n") {
		t.Errorf("after a copy:\n%s", got)
	}

	y.detach(t, []string{"--name", "reads"}, "sleep", "1000")
	if got := y.run(t, "diff", "reads"); got.code != 0 || got.out != "" || got.err != "" {
		t.Errorf("of a root that is read-only: exit code %d, %s%s", got.code, got.out, got.err)
	}
	if got := y.must(t, "diff", "--format", "json", "reads"); got != "[]" {
		t.Errorf("in JSON: %s", got)
	}
	y.must(t, "stop", "-t", "1", "writes")
	if got := y.run(t, "diff", "writes"); got.code != 1 || !strings.Contains(got.err, "writes does not run, and what it wrote outside of mounts went with it\nhint: ") {
		t.Errorf("of one that has ended: exit code %d\n%s", got.code, got.err)
	}
}

// TestDiffOfProgram: an image that is one program has nothing below what is
// written.
func TestDiffOfProgram(t *testing.T) {
	y := newYard(t)
	program := y.root + "/bin/busybox"
	if got := finish(t, y.launch(t, "run", "-d", "--name", "alone", "--read-only=false", program, "sleep", "600")); got.code != 0 {
		t.Fatalf("exit code %d\n%s", got.code, got.err)
	}
	if got := y.must(t, "diff", "alone"); got != "" {
		t.Errorf("before anything is written:\n%s", got)
	}
	y.must(t, "cp", program, "alone:/copied")
	if got := y.must(t, "diff", "alone"); got != "A /copied" {
		t.Errorf("after a copy:\n%s", got)
	}
	y.must(t, "rm", "-f", "alone")
}
