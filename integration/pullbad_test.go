package integration

import (
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// badRegistries are ways to misbehave, and what is said of them.
var badRegistries = map[string]struct {
	meddle meddler
	words  string
}{
	"a blob that is cut short":  {only("/blobs/", cut), "layer"},
	"another blob":              {only("/blobs/", other), "digest"},
	"a blob without an end":     {only("/blobs/", endless), ""},
	"a manifest without an end": {only("/manifests/", endless), "more than 4 MiB"},
	"another manifest":          {only("/manifests/", text("{}")), ""},
	"no blob":                   {only("/blobs/", status(http.StatusNotFound)), ""},
	"it fails":                  {status(http.StatusInternalServerError), "500"},
	"it wants a password":       {status(http.StatusUnauthorized), ""},
	"a web page":                {text("<html>\x1b[31mhello"), ""},
	"to the metadata service":   {only("/blobs/", to("http://169.254.169.254/latest/meta-data/")), "169.254.169.254"},
	"to an inner address":       {only("/blobs/", to("http://10.0.0.1/")), "10.0.0.1"},
	"to a file":                 {only("/blobs/", to("file:///etc/shadow")), "redirects"},
	"round in circles": {only("/blobs/", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}), "redirects"},
	"the connection is cut": {func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }, ""},
}

// cut says how long the blob is and stops in the middle. Every other request
// has it go on from there, to stop again.
func cut(w http.ResponseWriter, r *http.Request, behind http.Handler) {
	if isSmall(r, behind) {
		behind.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Length", "1000000")
	_, _ = io.WriteString(w, "short")
	panic(http.ErrAbortHandler)
}

// other sends a blob of the right size with other content.
func other(w http.ResponseWriter, r *http.Request, behind http.Handler) {
	if isSmall(r, behind) {
		behind.ServeHTTP(w, r)
		return
	}
	n := size(r, behind)
	w.Header().Set("Content-Length", strconv.Itoa(n))
	_, _ = io.WriteString(w, strings.Repeat("x", n))
}

// endless says that it sends 10 GiB, and does as long as somebody reads.
func endless(w http.ResponseWriter, r *http.Request, behind http.Handler) {
	if isSmall(r, behind) {
		behind.ServeHTTP(w, r)
		return
	}
	const all = 10 << 30
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	w.Header().Set("Content-Length", strconv.Itoa(all))
	piece := make([]byte, 1<<20)
	for sent := 0; sent < all; sent += len(piece) {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

func status(code int) meddler {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(code) }
}

func text(s string) meddler {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { _, _ = io.WriteString(w, s) }
}

func to(url string) meddler {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, url, http.StatusTemporaryRedirect)
	}
}

// isSmall tells the config of an image from its layers, which are meddled with.
func isSmall(r *http.Request, behind http.Handler) bool {
	return strings.Contains(r.URL.Path, "/blobs/") && size(r, behind) < 2000
}

// size is what the registry says that a blob's is.
func size(r *http.Request, behind http.Handler) int {
	head := r.Clone(r.Context())
	head.Method = http.MethodHead
	answer := &headers{h: http.Header{}}
	behind.ServeHTTP(answer, head)
	n, _ := strconv.Atoi(answer.h.Get("Content-Length"))
	return n
}

// headers keeps the headers of an answer.
type headers struct{ h http.Header }

func (h *headers) Header() http.Header         { return h.h }
func (h *headers) Write(p []byte) (int, error) { return len(p), nil }
func (h *headers) WriteHeader(int)             {}

// noise is a layer that does not compress, and whose size is told from a
// config's.
func noise(seed string) imagetest.Files {
	random := rand.New(rand.NewPCG(uint64(len(seed)), 7))
	content := make([]byte, 300<<10)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	return imagetest.Files{"noise": {Content: seed + string(content)}}
}

// TestBadRegistries: whatever a registry does, the launcher says in a line what
// is wrong, what was pulled before still runs, and the next pull leaves nothing
// of the one that failed.
func TestBadRegistries(t *testing.T) {
	all := newMachine(t)
	t.Run("all", func(t *testing.T) {
		for what, bad := range badRegistries {
			t.Run(what, func(t *testing.T) {
				t.Parallel() // some are asked several times, with pauses
				m, h := all.with(t), newHub(t)
				name := h.name("app:1")
				h.push("app:1", withPeek(t, "old"))
				m.must("pull", "-q", name)
				digest := h.push("app:1", withPeek(t, "new "+what, noise(what)))
				h.does(bad.meddle)
				r := m.run("--pull", "always", name) // ended when it takes too long
				refused(t, r, what, h.host, bad.words)
				if strings.ContainsAny(r.err, "\x1b\x07") {
					t.Errorf("it is shown what the terminal acts on: %q", r.err)
				}
				says(t, m.alone(name), "old", "what was there before")
				h.does(nil)
				if got := m.must("pull", "-q", name); got != digest.String() {
					t.Errorf("the pull after it got %s, want %s", got, digest)
				}
				says(t, m.alone(name), "new "+what, "the next pull")
			})
		}
	})
	all.tidy("after the next pulls")
}

// TestStalledRegistry: a pull that does not come along can be stopped, and the
// next one goes on.
func TestStalledRegistry(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	name := h.name("app:1")
	h.push("app:1", withPeek(t, "old"))
	m.must("pull", "-q", name)
	h.push("app:1", withPeek(t, "new", noise("stalled")))
	stalling := make(chan struct{}, 100)
	h.does(only("/blobs/", func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		if isSmall(r, behind) {
			behind.ServeHTTP(w, r)
			return
		}
		_, _ = w.Write(make([]byte, 10))
		_ = http.NewResponseController(w).Flush()
		stalling <- struct{}{}
		<-r.Context().Done()
	}))
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		cmd := m.launcher("--pull", "always", name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-stalling:
		case <-time.After(patience):
			t.Fatal("it asks for no blob")
		}
		began := time.Now()
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Errorf("%v: it succeeded", s)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("%v: it took %v to stop", s, took)
		}
		says(t, m.alone(name), "old", "after "+s.String())
	}
	h.does(nil)
	says(t, m.run("--pull", "always", name), "new", "the next pull")
	m.tidy("after the next pull")
}

// TestFullDisk: an image that does not fit is not there at all, and what is
// there runs.
func TestFullDisk(t *testing.T) {
	m, h := newMachine(t), newHub(t)
	m.store = filepath.Join(t.TempDir(), "store")
	if err := os.Mkdir(m.store, 0o700); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", m.store)
	t.Cleanup(func() { mustRun(t, "umount", m.store) })
	name := h.name("app:1")
	h.push("app:1", withPeek(t, "old"))
	m.must("pull", "-q", name)

	h.push("app:1", withPeek(t, "new", noise("full")))
	filler := filepath.Join(m.store, "filler")
	fill(t, filler, 100<<10)
	refused(t, m.run("--pull", "always", name), "a full disk", "no space left")
	says(t, m.alone(name), "old", "on a full disk")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	says(t, m.run("--pull", "always", name), "new", "when there is space again")
	m.tidy("when there is space again")
}

// fill leaves so many bytes free where path is.
func fill(t *testing.T, path string, free int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	piece := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(piece)
	}
	info, err := f.Stat()
	if err == nil {
		err = f.Truncate(max(0, info.Size()-free))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mustRun runs a command that the test needs.
func mustRun(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
