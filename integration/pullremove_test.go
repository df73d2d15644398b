package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image"
)

// TestRemovedWhileItRuns: an image from which a sandbox runs stays, whoever
// wants it gone; afterwards it goes, with all that is its own alone.
func TestRemovedWhileItRuns(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	name, other := h.name("app:1"), h.name("other:1")
	digest := h.push("app:1", withPeek(t, "app", noise("app"))).String()
	h.push("other:1", withPeek(t, "other"))
	m.must("pull", "-q", name)
	m.must("pull", "-q", other)

	sandbox, _ := begin(t, m.launcher(name, "tick"))
	for _, verb := range [][]string{{"rm", name}, {"rm", "-f", name}, {"rm", digest}} {
		if r := m.image(verb...); r.code == 0 || !strings.Contains(r.err, "in use") || !strings.Contains(r.err, "hint:") {
			t.Errorf("%v while it runs: exit code %d\n%s%s", verb, r.code, r.out, r.err)
		}
	}
	if r := m.image("prune", "-a"); r.code != 0 || strings.Contains(r.out, digest) {
		t.Errorf("prune -a while it runs: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if r := m.alone(other); r.code != 125 {
		t.Errorf("prune -a has left what nothing runs from: exit code %d", r.code)
	}
	// Its name may come to mean another image, and then nothing means this one.
	h.push("app:1", withPeek(t, "newer"))
	m.must("pull", "-q", name)
	m.must("prune", "-q")
	says(t, m.alone(name), "newer", "beside the sandbox of what the name meant before")
	store, err := image.OpenStore(m.store)
	must(t, err)
	if e := store.Entry(digest); e == nil || !store.Complete(e) {
		t.Error("the image is gone while a sandbox runs from it")
	}
	sandbox.end(t, syscall.SIGTERM)

	before, err := image.DiskUse(m.store)
	must(t, err)
	if r := m.image("prune"); r.code != 0 || !strings.Contains(r.out, digest) {
		t.Errorf("prune after it ran: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	after, err := image.DiskUse(m.store)
	must(t, err)
	if before-after < 600<<10 { // the noise twice: as a blob and unpacked
		t.Errorf("it freed %d bytes", before-after)
	}
	says(t, m.alone(name), "newer", "what is left")
	m.must("rm", name)
	m.must("prune", "-q")
	for _, dir := range []string{"blobs", "images", "layers", "partial", "refs", "tmp"} {
		if left, err := os.ReadDir(filepath.Join(m.store, dir)); err != nil || len(left) > 0 {
			t.Errorf("when everything was removed, %s has %v (%v)", dir, left, err)
		}
	}
}

// TestPrunedBesidePulls: whoever pulls and runs does not notice those who
// remove at the same time.
func TestPrunedBesidePulls(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	name := h.name("app:1")
	images := []v1.Image{withPeek(t, "first", noise("first")), withPeek(t, "second", noise("second"))}
	h.push("app:1", images[0])
	m.must("pull", "-q", name)
	end := time.Now().Add(3 * time.Second)
	var all sync.WaitGroup
	var runs, prunes atomic.Int32
	loop := func(counted *atomic.Int32, fine func(result) bool, start func() *exec.Cmd) {
		all.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				cmd := start()
				if r := finish(t, cmd); !fine(r) {
					t.Errorf("%v: exit code %d\n%s%s", cmd.Args[len(cmd.Args)-3:], r.code, r.out, r.err)
				}
				counted.Add(1)
			}
		})
	}
	ran := func(r result) bool { return r.code == 0 && (r.line() == "first" || r.line() == "second") }
	loop(&runs, ran, func() *exec.Cmd { return m.launcher("--pull", "always", name) })
	loop(&runs, ran, func() *exec.Cmd { return m.launcher(name) })
	worked := func(r result) bool { return r.code == 0 }
	loop(&prunes, worked, func() *exec.Cmd { return m.images("prune", "-q") })
	loop(&prunes, worked, func() *exec.Cmd { return m.images("prune", "-a", "-q") })
	for i := 0; time.Now().Before(end); i++ {
		h.push("app:1", images[i%2])
		time.Sleep(30 * time.Millisecond)
	}
	all.Wait()
	if runs.Load() < 5 || prunes.Load() < 5 {
		t.Errorf("%d runs beside %d prunes: too few to tell", runs.Load(), prunes.Load())
	}
	m.must("prune", "-a", "-q")
	m.tidy("when everything is over")
}

// TestVerbsEndToEnd: what one machine saves another imports, and it is the same
// tree; what was changed in the store is told.
func TestVerbsEndToEnd(t *testing.T) {
	m, other, h := newMachine(t), newMachine(t), newHub(t)
	digest := h.push("app:1", withPeek(t, "app")).String()
	name := h.name("app:1")
	m.must("pull", "-q", name)
	if r := m.image("ls"); r.code != 0 || !strings.Contains(r.out, h.host+"/app") {
		t.Errorf("ls: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	archive := filepath.Join(t.TempDir(), "saved.tar")
	m.must("save", "-o", archive, name)
	saved := "oci-archive:" + archive
	got := other.must("pull", "-q", saved)
	if hash(other.tree(got)) != hash(m.tree(digest)) {
		differ(t, other.tree(got), m.tree(digest))
	}
	says(t, other.alone(saved), "app", "what was saved")

	for _, verb := range [][]string{{"verify", name}, {"inspect", name}} {
		if r := m.image(verb...); r.code != 0 {
			t.Errorf("%v: exit code %d\n%s%s", verb, r.code, r.out, r.err)
		}
	}
	store, err := image.OpenStore(m.store)
	must(t, err)
	layers := store.Trees(store.Entry(digest))
	must(t, os.WriteFile(filepath.Join(layers[1], "version"), []byte("changed\n"), 0o644))
	if r := m.image("verify", name); r.code == 0 {
		t.Errorf("verify finds nothing wrong with a file that was changed:\n%s%s", r.out, r.err)
	}
	if r := m.image("audit", name); !strings.Contains(r.out, "root") {
		t.Errorf("audit: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	// The same through the launcher.
	if r := m.run("image", "ls"); r.code != 0 || !strings.Contains(r.out, h.host+"/app") {
		t.Errorf("safe-run image ls: exit code %d\n%s%s", r.code, r.out, r.err)
	}
}
