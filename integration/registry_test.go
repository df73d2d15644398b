package integration

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// hub is a registry on this machine that notes what it is asked for, and that
// a test can have misbehave.
type hub struct {
	t      *testing.T
	host   string
	client *http.Transport

	mu     sync.Mutex
	asked  []request
	meddle meddler
}

// request is one that was answered: GET /v2/app/blobs/sha256:..., and the
// range that was asked for.
type request struct{ method, path, part string }

// meddler answers a request in place of the registry, or has it answer.
type meddler func(w http.ResponseWriter, r *http.Request, registry http.Handler)

// newHub starts a registry that is done with the test.
func newHub(t *testing.T) *hub {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	return newHubBefore(t, registry.New(registry.WithReferrersSupport(true), registry.Logger(quiet)))
}

// newHubBefore stands before a registry.
func newHubBefore(t *testing.T, behind http.Handler) *hub {
	t.Helper()
	h := &hub{t: t, client: &http.Transport{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		meddle := h.meddle
		if meddle != nil || r.Method == http.MethodGet {
			h.asked = append(h.asked, request{r.Method, r.URL.Path, r.Header.Get("Range")})
		}
		h.mu.Unlock()
		if meddle != nil && r.Method == http.MethodGet {
			meddle(w, r, behind)
			return
		}
		behind.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	h.host = strings.TrimPrefix(server.URL, "http://")
	t.Cleanup(func() {
		h.client.CloseIdleConnections()
		server.CloseClientConnections() // one that a test left stalling
		server.Close()
	})
	return h
}

// does sets what comes between, and forgets what was asked.
func (h *hub) does(m meddler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.meddle, h.asked = m, nil
}

// gets are the requests for what has this in its path.
func (h *hub) gets(part string) []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.asked), func(r request) bool {
		return r.method != http.MethodGet || !strings.Contains(r.path, part)
	})
}

// push puts an image under a name such as app:1, past the meddling, and gives
// its digest.
func (h *hub) push(as string, img v1.Image) v1.Hash {
	h.t.Helper()
	ref, err := name.ParseReference(h.host + "/" + as)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := remote.Write(ref, img, remote.WithTransport(h.client)); err != nil {
		h.t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		h.t.Fatal(err)
	}
	return digest
}

// name is how an image of the hub is written.
func (h *hub) name(as string) string { return "docker://" + h.host + "/" + as }

// only meddles with requests that have this in their path.
func only(part string, m meddler) meddler {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		if strings.Contains(r.URL.Path, part) {
			m(w, r, behind)
			return
		}
		behind.ServeHTTP(w, r)
	}
}

// slow sends what the registry says in small pieces with a pause between.
func slow(piece int, pause time.Duration) meddler {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		behind.ServeHTTP(&slowWriter{w, piece, pause}, r)
	}
}

type slowWriter struct {
	http.ResponseWriter
	piece int
	pause time.Duration
}

func (s *slowWriter) Write(p []byte) (total int, err error) {
	for len(p) > 0 && err == nil {
		n := 0
		n, err = s.ResponseWriter.Write(p[:min(len(p), s.piece)])
		p, total = p[n:], total+n
		_ = http.NewResponseController(s.ResponseWriter).Flush()
		time.Sleep(s.pause)
	}
	return total, err
}

// daemon starts a program until the test ends, in a mount namespace of its
// own, and waits until ready says so.
func daemon(t *testing.T, env []string, ready func() bool, program string, args ...string) {
	t.Helper()
	logFile, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()
	cmd := exec.Command("unshare", append([]string{"--mount", "--propagation", "slave", program}, args...)...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(15 * time.Second):
			t.Errorf("%s does not end", program)
			cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(20 * time.Second); !ready(); time.Sleep(20 * time.Millisecond) {
		over := time.Now().After(deadline)
		select {
		case <-ended:
			over = true
		default:
		}
		if over {
			said, _ := os.ReadFile(logFile.Name())
			t.Fatalf("%s is not ready:\n%s", program, said)
		}
	}
}

// needPrograms skips a test where what it runs beside safe-run is missing.
func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("NOT CHECKED: %s is not installed", p)
		}
	}
}
