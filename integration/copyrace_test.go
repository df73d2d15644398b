package integration

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/safe-run/safe-run/spec/event"
)

// races is how many copies each way are run against a container that exchanges
// a directory and a link under them.
const races = 200

// TestCopyRace: a link that takes the place of a directory while it is copied
// leads nowhere but into the container: nothing outside of it is read, and
// nothing outside of it is written (CVE-2018-15664 and its kind).
func TestCopyRace(t *testing.T) {
	y := newYard(t)
	canary := filepath.Join(t.TempDir(), "outside")
	peek, err := os.ReadFile(built(t).peek)
	if err = errors.Join(err, os.WriteFile(y.root+"/bin/peek", peek, 0o755), os.Mkdir(canary, 0o777), os.Chmod(canary, 0o777), os.WriteFile(canary+"/f", []byte("secret"), 0o666)); err != nil {
		t.Fatal(err)
	}
	// One link is absolute, one goes up as far as there is; both name a
	// directory that only the host has.
	up := strings.Repeat("../", 20) + canary
	// Who exchanges two names at once asks for it.
	profile := allowing(t, event.Denial{Allow: []string{"seccomp:", "  allow:", "    - {name: renameat2, why: ...}"}})
	y.detach(t, []string{"--profile", profile, "--name", "races"}, "sh", "-c",
		`cd /tmp; for n in 1 2; do busybox mkdir -p $n/d/e; echo inner > $n/d/f; done
		busybox ln -s `+canary+` 1/l; busybox ln -s `+up+` 2/l
		peek flip 1/d 1/l & peek flip 2/d 2/l & echo ready; wait`)
	y.logged(t, "races", "ready")
	in := filepath.Join(t.TempDir(), "in")
	if err := errors.Join(os.MkdirAll(in+"/d", 0o755), os.WriteFile(in+"/d/f", []byte("inner\n"), 0o644), os.WriteFile(in+"/d/planted", []byte("p"), 0o644)); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	var wg sync.WaitGroup
	var mu sync.Mutex
	ended := map[string]int{}
	for worker := range 2 {
		wg.Go(func() {
			for n := worker; n < races; n += 2 {
				which := []string{"/tmp/1", "/tmp/2"}[n/2%2]
				from, to := which, filepath.Join(out, strconv.Itoa(n))
				target := which
				if n%8 >= 4 { // the link is in the path that is named
					from, target = which+"/d/.", which+"/d"
				}
				outward := finish(t, y.launch(t, "cp", "races:"+from, to))
				source := in + "/."
				if target != which {
					source = in + "/d/planted"
				}
				inward := finish(t, y.launch(t, "cp", source, "races:"+target))
				mu.Lock()
				ended["out "+strconv.Itoa(outward.code)]++
				ended["in "+strconv.Itoa(inward.code)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("exit codes: %v", ended)
	if ended["out 0"] == 0 || ended["in 0"] == 0 {
		t.Errorf("no copy of either kind came through: %v", ended)
	}
	if ended["out 0"]+ended["out 1"] != races || ended["in 0"]+ended["in 1"] != races {
		t.Errorf("a copy ended as none should: %v", ended)
	}
	err = filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), "secret") {
			t.Errorf("%s was read from outside of the container", path)
		}
		return err
	})
	names, listErr := os.ReadDir(canary)
	data, readErr := os.ReadFile(canary + "/f")
	if err := errors.Join(err, listErr, readErr); err != nil || len(names) != 1 || string(data) != "secret" {
		t.Errorf("outside is now %v, %q, %v", names, data, err)
	}
}
