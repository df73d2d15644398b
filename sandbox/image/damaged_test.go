package image

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

// TestRecordDamaged checks that a record which cannot be read is no record: it
// is then written again.
func TestRecordDamaged(t *testing.T) {
	s := newStore(t)
	ref := Reference{Transport: OCI, Path: "/x"}
	path := filepath.Join(s.Path(), "refs", recordName(ref))
	for name, make := range map[string]func(){
		"junk":      func() { write(t, path, "junk", 0o600) },
		"empty":     func() { write(t, path, "", 0o600) },
		"a link":    func() { must(t, os.Symlink("/etc/passwd", path)) },
		"directory": func() { must(t, os.Mkdir(path, 0o700)) },
		"a fifo":    func() { mkfifo(t, path) },
		"too large": func() { write(t, path, "{}", 0o600); must(t, os.Truncate(path, maxRecord+1)) },
	} {
		make()
		if s.Record(ref) != nil {
			t.Errorf("%s: there is a record", name)
		}
		must(t, os.Remove(path))
	}
}

func FuzzRecord(f *testing.F) {
	good, err := json.Marshal(Record{Version: recordVersion, Digest: someDigest, Source: []Stamp{{Path: "/x/index.json", Size: 5}}})
	must(f, err)
	f.Add(good)
	entry := someEntry()
	entry.Version = recordVersion
	b, err := json.Marshal(entry)
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"version":2,"digest":"sha256:..","layers":[{"chain":"/"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRecord(b); err == nil && !ValidDigest(r.Digest) {
			t.Errorf("record of %q", r.Digest)
		}
		e, err := DecodeEntry(b)
		if err != nil {
			return
		}
		s := &Store{dir: "/store"}
		for _, path := range append(s.Trees(e), s.Blob(e.Digest)) {
			if filepath.Dir(filepath.Dir(path)) != "/store" {
				t.Errorf("it leads to %q", path)
			}
		}
		again, err := json.Marshal(e)
		must(t, err)
		if _, err := DecodeEntry(again); err != nil {
			t.Errorf("it cannot be read again: %v", err)
		}
	})
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "open"), 0o700))
	must(t, os.Chmod(filepath.Join(dir, "open"), 0o777))
	must(t, os.Mkdir(filepath.Join(dir, "foreign"), 0o700))
	must(t, os.Chown(filepath.Join(dir, "foreign"), 1234, 0))
	write(t, filepath.Join(dir, "file"), "", 0o600)
	for path, what := range map[string]string{
		"open": "can be written by others", "foreign": "belongs to uid 1234", "file": "not a directory", "file/below": "not a directory",
	} {
		for name, open := range map[string]func(string) (*Store, error){"OpenStore": OpenStore, "CreateStore": CreateStore} {
			_, err := open(filepath.Join(dir, path))
			if err == nil || !strings.Contains(err.Error(), what) || problem.HintOf(err) == "" {
				t.Errorf("%s(%s): %v, hint %q; want %q", name, path, err, problem.HintOf(err), what)
			}
		}
	}
	s, err := CreateStore(filepath.Join(dir, "new", "store"))
	must(t, err)
	for _, name := range append(storeDirs, "") {
		info, err := os.Stat(filepath.Join(s.Path(), name))
		must(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s/%s has mode %v", s.Path(), name, info.Mode())
		}
	}
}
