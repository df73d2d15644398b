package integration

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

const (
	// kills is how many pulls are killed, of an image that is replaced by a new
	// one after killsEach of them.
	kills     = 50
	killsEach = 5
	// Small pieces with pauses, so that a third of the time goes by while blobs
	// are fetched; the rest is unpacking and the programs themselves.
	killPiece = 16 << 10
	killPause = 3 * time.Millisecond

	grownLayers = 3
)

// grown is an image with many files of random content, which does not
// compress; files are those of its layers that say which version it is.
func grown(t *testing.T, random *rand.Rand, version int) (img v1.Image, files imagetest.Files) {
	t.Helper()
	files = imagetest.Files{}
	layers := make([]imagetest.Files, grownLayers)
	for i := range layers {
		layers[i] = imagetest.Files{}
		for j := range 150 {
			content := make([]byte, 200+random.IntN(1500))
			for k := range content {
				content[k] = byte(random.Uint32())
			}
			name := fmt.Sprintf("layer%d/%d/file%d", i, j%10, j)
			layers[i][name] = imagetest.File{Content: string(content)}
			files[name] = layers[i][name]
		}
	}
	return withPeek(t, fmt.Sprint("version ", version), layers...), files
}

// TestKilledAtAnyMoment: whenever a pull is killed, what the name meant before
// still runs; the next pull goes on with what there is, and leaves no more
// than the image in the store.
func TestKilledAtAnyMoment(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	name := h.name("app:1")

	img, _ := grown(t, random, 0)
	h.push("app:1", img)
	m.must("pull", "-q", name)
	img, _ = grown(t, random, 0)
	h.push("app:other", img)
	h.does(only("/blobs/", slow(killPiece, killPause)))
	began := time.Now()
	m.must("pull", "-q", h.name("app:other"))
	whole := time.Since(began)

	k := killer{m: m, name: name, whole: whole, random: random, runs: "version 0"}
	for version := 1; k.killed < kills && !t.Failed(); version++ {
		img, files := grown(t, random, version)
		h.does(nil)
		digest := h.push("app:1", img)
		h.does(only("/blobs/", slow(killPiece, killPause)))
		k.image(t, fmt.Sprint("version ", version), digest.String(), files)
		for _, r := range h.gets("/blobs/") {
			if r.part != "" {
				k.resumed++
			}
		}
	}
	t.Logf("%d killed of %d (a whole pull took %v), with the store as before in %d, with unfinished blobs in %d; %d blobs gone on with",
		k.killed, k.tried, whole.Round(time.Millisecond), k.before, k.partial, k.resumed)
	if k.before == 0 || k.partial == 0 || k.resumed == 0 {
		t.Error("the moments did not fall where they matter: nothing was checked")
	}
	m.must("rm", "-q", h.name("app:other"))
	m.must("prune", "-q")
	if layers, err := os.ReadDir(m.store + "/layers"); err != nil || len(layers) != 2+grownLayers {
		t.Errorf("after prune %d layers are in the store (%v), want %d of the last image", len(layers), err, 2+grownLayers)
	}
}

type killer struct {
	m      *machine
	name   string
	whole  time.Duration // of a pull
	random *rand.Rand
	runs   string // what the name means in the store

	killed, tried, before, partial, resumed int
}

// image kills pulls of one image, and completes it.
func (k *killer) image(t *testing.T, version, digest string, files imagetest.Files) {
	t.Helper()
	for n := 0; n < killsEach && k.killed < kills && !t.Failed(); n++ {
		if !k.kill(t) {
			break // it was complete before
		}
		r := k.m.alone(k.name)
		if r.code != 0 || r.line() != k.runs && r.line() != version {
			t.Fatalf("killed %d times: %q runs (exit code %d), want %q\n%s", k.killed, r.line(), r.code, k.runs, r.err)
		}
		if r.line() == k.runs {
			k.before++
		}
		for _, left := range k.m.left() {
			if strings.HasPrefix(left, "partial/") {
				k.partial++
				break
			}
		}
	}
	if got := k.m.must("pull", "-q", k.name); got != digest {
		t.Fatalf("killed %d times: it pulled %s, want %s", k.killed, got, digest)
	}
	k.m.tidy(fmt.Sprintf("killed %d times, then pulled", k.killed))
	k.runs = version
	says(t, k.m.alone(k.name), version, "after the pull that completed")
	k.check(t, digest, files)
}

// kill starts a pull and kills it at a random moment; false when it was
// complete before that.
func (k *killer) kill(t *testing.T) bool {
	t.Helper()
	k.tried++
	cmd := k.m.images("pull", "-q", k.name)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(k.random.Int64N(int64(k.whole))))
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil && err != os.ErrProcessDone {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		k.killed++
		return true
	}
	if err != nil {
		t.Fatalf("a pull failed after %d were killed: %v", k.killed, err)
	}
	return false
}

// check compares what is in the store with what was published.
func (k *killer) check(t *testing.T, digest string, files imagetest.Files) {
	t.Helper()
	tree := k.m.tree(digest)
	regular := 0
	for path, line := range tree {
		file, ours := files[path]
		if ours && !strings.HasSuffix(line, fmt.Sprintf("%x", sha256.Sum256([]byte(file.Content)))) {
			t.Errorf("%s has other content than was published: %s", path, line)
		}
		if ours {
			regular++
		}
	}
	if regular != len(files) {
		t.Errorf("%d of %d files are there", regular, len(files))
	}
}
