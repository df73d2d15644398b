package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/exact"
	"github.com/safe-run/safe-run/spec/problem"
)

// docker speaks with dockerd over its socket. docker's own client library has
// ten times the code, for three requests.
type docker struct {
	client  *http.Client
	version string // of the API: "/v1.41"
	answers time.Duration
	pauses  time.Duration
}

// The versions of the API that this code is written for. What it uses has been
// there since the first.
const oldestAPI, newestAPI = 24, 47

// dialDocker asks dockerd at socket which version of the API it speaks.
func dialDocker(ctx context.Context, socket string) (*docker, error) {
	if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
		return nil, notThere("not running", "start docker, or set DOCKER_HOST=unix:///PATH", "dockerd is not running here: there is no %s", socket)
	}
	d := &docker{answers: dockerAnswers, pauses: dockerPauses}
	d.client = &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", socket)
			},
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return d, d.negotiate(ctx, socket)
}

func (d *docker) negotiate(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, d.answers)
	defer cancel()
	answer, err := d.ask(ctx, "/_ping", nil)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return notThere("not running", "start docker: systemctl start docker", "dockerd is not running here: nobody listens on %s", socket)
	case errors.Is(err, fs.ErrPermission):
		return problem.New("run as root, or as a member of the group docker", "dockerd's socket %s cannot be opened: permission denied", socket)
	case err != nil:
		return err
	}
	defer answer.Body.Close()
	major, minor, _ := strings.Cut(answer.Header.Get("Api-Version"), ".")
	n, err := strconv.ParseUint(minor, 10, 16)
	if answer.StatusCode != http.StatusOK || major != "1" || err != nil || n < oldestAPI {
		return problem.New("update docker", "what listens on %s is no dockerd of version 1.12 or later", socket)
	}
	d.version = fmt.Sprintf("/v1.%d", min(n, newestAPI))
	return nil
}

func (d *docker) close() { d.client.CloseIdleConnections() }

// ask sends a request. The name of an image in path has only characters that
// dockerd expects as they are.
func (d *docker) ask(ctx context.Context, path string, query url.Values) (*http.Response, error) {
	at := url.URL{Scheme: "http", Host: "docker", Path: d.version + path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := d.client.Do(request)
	if err != nil {
		var wrapped *url.Error // its text repeats the request
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, problem.New("look at docker: docker info", "dockerd does not answer")
		}
		return nil, fmt.Errorf("ask dockerd: %w", err)
	}
	return answer, nil
}

// dockerSays is an answer other than 200.
type dockerSays struct {
	status  int
	message string
}

func (r dockerSays) Error() string {
	if r.message == "" {
		return fmt.Sprintf("dockerd answered with status %d", r.status)
	}
	return "dockerd says: " + r.message
}

// check turns an answer other than 200 into an error.
func check(answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	var body struct{ Message string }
	data, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err == nil {
		_ = json.Unmarshal(data, &body) // an answer without a message is told by its status
	}
	return dockerSays{answer.StatusCode, oneLine(body.Message)}
}

// get reads the answer to a small request.
func (d *docker) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, d.answers)
	defer cancel()
	answer, err := d.ask(ctx, path, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if err := check(answer); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, bounds.Metadata+1))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return problem.New("look at docker: docker info", "dockerd does not finish its answer")
	case err != nil:
		return fmt.Errorf("dockerd's answer: %w", err)
	case len(data) > bounds.Metadata:
		return tooLarge("dockerd's answer", int64(len(data)))
	}
	if err := exact.Unmarshal(data, into); err != nil {
		return problem.New("look at docker: docker info", "the answer of dockerd is malformed: %s", oneLine(err.Error()))
	}
	return nil
}

// id asks for the id of the image that ref names.
func (d *docker) id(ctx context.Context, ref image.Reference) (string, error) {
	var found struct {
		ID string `json:"Id"`
	}
	err := d.get(ctx, "/images/"+ref.Path+"/json", &found)
	var no dockerSays
	switch {
	case errors.As(err, &no) && no.status == http.StatusNotFound:
		return "", notThere("no such image", "docker image ls shows what it has; docker build -t "+ref.Path+" . makes it", "dockerd has no image %s", ref.Path)
	case err != nil:
		return "", err
	case !image.ValidDigest(found.ID):
		return "", problem.New("update docker", "dockerd gives %s an impossible id: %q", ref.Path, oneLine(found.ID))
	}
	return found.ID, nil
}

// export has dockerd write the image to a scratch file.
func (d *docker) export(ctx context.Context, ref image.Reference, o Options) (*os.File, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	alarm := time.AfterFunc(d.pauses, func() { stop(errSilent) })
	defer alarm.Stop()
	answer, err := d.ask(ctx, "/images/"+ref.Path+"/get", nil)
	if err == nil {
		defer answer.Body.Close()
		if err = check(answer); err == nil {
			var f *os.File
			if f, err = keep(ctx, &watched{answer.Body, alarm, d.pauses}, o); err == nil {
				return f, nil
			}
		}
	}
	if errors.Is(context.Cause(ctx), errSilent) {
		return nil, problem.New("look at docker: docker info", "dockerd stopped in the middle of the export of %s", ref.Path)
	}
	return nil, err
}

// errSilent says that nothing came for too long.
var errSilent = errors.New("silent")

// watched puts off an alarm each time something is read.
type watched struct {
	r      io.Reader
	alarm  *time.Timer
	pauses time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.alarm.Reset(w.pauses)
	}
	return n, err
}
