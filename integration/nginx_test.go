package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

// debianNginx makes a root filesystem from Debian's packages, once for all runs
// of the tests on this machine.
func debianNginx(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	tree := filepath.Join(cache, "safe-run", "nginx-bookworm")
	if _, err := os.Stat(filepath.Join(tree, "usr/sbin/nginx")); err == nil {
		return tree
	}
	mmdebstrap, err := exec.LookPath("mmdebstrap")
	if err != nil {
		t.Skip("mmdebstrap is not installed: that Debian's nginx runs unmodified was not checked")
	}
	half := fmt.Sprintf("%s.%d", tree, os.Getpid())
	defer os.RemoveAll(half)
	if err := os.MkdirAll(filepath.Dir(tree), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mmdebstrap, "--quiet", "--variant=minbase", "--include=nginx-light", "bookworm", half).CombinedOutput(); err != nil {
		t.Skipf("mmdebstrap: %v: that Debian's nginx runs unmodified was not checked: %s", err, last(out))
	}
	if err := os.Rename(half, tree); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	return tree
}

func last(out []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return lines[len(lines)-1]
}

// TestNginx: Debian's nginx, with nothing changed but its configuration file,
// serves its page under the web profile as a user that is not root, and stops
// when it is asked to.
func TestNginx(t *testing.T) {
	needRoot(t)
	tree := debianNginx(t)
	leaks.Check(t)
	conf, err := filepath.Abs("testdata/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	cmd := launcher(t, "--profile", "web", "-p", "127.0.0.1:"+port+":80", "-v", conf+":/etc/nginx/nginx.conf:ro",
		"dir:"+tree, "nginx", "-e", "stderr")
	var errs bytes.Buffer
	cmd.Stderr, cmd.Stdout = &errs, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	page, err := fetch("http://127.0.0.1:" + port + "/")
	if err != nil || !strings.Contains(page, "Welcome to nginx!") {
		t.Errorf("the page is %q (%v)", page, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("after SIGTERM nginx ended with %d", code)
	}
	if t.Failed() {
		t.Logf("nginx says:\n%s", errs.String())
	}
}

// freePort finds a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// fetch gets a page, and waits for its server to be up.
func fetch(url string) (string, error) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var err error
	for range 100 {
		var response *http.Response
		if response, err = client.Get(url); err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		return string(page), err
	}
	return "", err
}
