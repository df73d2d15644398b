package source

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// Where containerd is unless CONTAINERD_ADDRESS and CONTAINERD_NAMESPACE say
// otherwise; ctr reads the same.
const (
	containerdSocket    = "/run/containerd/containerd.sock"
	containerdNamespace = "default"
)

// namespaces of containerd (its identifiers.Validate).
var namespaces = regexp.MustCompile(`^[A-Za-z0-9]+(?:[-._][A-Za-z0-9]+)*$`)

// containerd is reached through ctr, which comes with it: its client library
// is larger than all else that finds images.
type containerd struct {
	ctr       string // the program
	address   string
	namespace string
	answers   time.Duration // how long ctr may take to list
	exports   time.Duration // how long to export
}

// findInContainerd finds the image that ref names in containerd's store.
func findInContainerd(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	c, err := containerdHere(ctx)
	if err != nil {
		return nil, err
	}
	return c.find(ctx, ref, o)
}

// containerdHere tells where containerd is, and whether it runs.
func containerdHere(ctx context.Context) (*containerd, error) {
	c := &containerd{address: containerdSocket, namespace: containerdNamespace, answers: 30 * time.Second, exports: 30 * time.Minute}
	if a := os.Getenv("CONTAINERD_ADDRESS"); a != "" {
		c.address = strings.TrimPrefix(a, "unix://")
	}
	if n := os.Getenv("CONTAINERD_NAMESPACE"); n != "" {
		c.namespace = n
	}
	switch {
	case !filepath.IsAbs(c.address):
		return nil, problem.New("set it to the path of containerd's socket, or unset it", "CONTAINERD_ADDRESS is no absolute path: %q", oneLine(c.address))
	case len(c.namespace) > 76 || !namespaces.MatchString(c.namespace):
		return nil, problem.New("ctr namespaces ls shows them", "CONTAINERD_NAMESPACE is not the name of a namespace: %q", oneLine(c.namespace))
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", c.address)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, notThere("not running", "start containerd, or set CONTAINERD_ADDRESS", "containerd is not running here: nobody listens on %s", c.address)
	case errors.Is(err, fs.ErrPermission):
		return nil, problem.New("run as root", "containerd's socket %s cannot be opened: permission denied", c.address)
	case err != nil:
		return nil, problem.New("look at containerd: ctr version", "containerd's socket %s cannot be opened: %w", c.address, err)
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	if c.ctr, err = exec.LookPath("ctr"); err != nil {
		return nil, problem.New("install ctr, which comes with containerd", "containerd runs, but ctr is not in PATH")
	}
	return c, nil
}

// namesFor are the names under which containerd may keep what ref names, the
// likeliest first: what was pulled has its full name, what was tagged by hand
// any name.
func namesFor(ref image.Reference) []string {
	repository, tag, digest := ref.Full().Name()
	var names []string
	for _, repository := range []string{fullRepository(repository), repository} {
		if digest != "" {
			names = append(names, repository+"@"+digest)
		}
		if tag != "" && digest != "" {
			names = append(names, repository+":"+tag+"@"+digest)
		}
		if tag != "" {
			names = append(names, repository+":"+tag)
		}
	}
	return slices.Compact(names)
}

func (c *containerd) find(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	name, err := c.name(ctx, ref)
	if err != nil {
		return nil, err
	}
	files := []string{filepath.Join(c.root(), boltFile)}
	before, err := stampsOf(files, nil)
	if err != nil {
		return nil, err
	}
	o.note("exporting %s", ref)
	f, err := c.export(ctx, name, o)
	if err != nil {
		return nil, err
	}
	if before == nil {
		if before, err = stampsOf(nil, f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	a, err := exported(ctx, f)
	if err != nil {
		return nil, err
	}
	found, err := findIn(a, "", o)
	if err != nil {
		return nil, err
	}
	found.Stamps = before
	if err := pinned(found, ref); err != nil {
		return nil, errors.Join(err, found.Close())
	}
	return found, nil
}

// name asks which of the names for ref containerd has.
func (c *containerd) name(ctx context.Context, ref image.Reference) (string, error) {
	names := namesFor(ref)
	args := []string{"images", "ls", "-q"}
	for _, name := range names {
		args = append(args, `name=="`+name+`"`) // a name has no quotes
	}
	var out capped
	if err := c.run(ctx, c.answers, &out, args...); err != nil {
		return "", err
	}
	has := strings.Fields(out.String())
	for _, name := range names {
		if slices.Contains(has, name) {
			return name, nil
		}
	}
	return "", notThere("no such image", "ctr -n "+c.namespace+" images ls shows what it has; CONTAINERD_NAMESPACE names another namespace",
		"containerd has no image %s in its namespace %s", names[0], c.namespace)
}

// export has ctr write the image to a scratch file.
func (c *containerd) export(ctx context.Context, name string, o Options) (*os.File, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ended := make(chan error, 1)
	go func() {
		err := c.run(ctx, c.exports, w, "images", "export", "--platform", "linux/"+o.Arch, "-", name)
		w.Close()
		// Whoever else has the pipe open gets no more time than this.
		r.SetReadDeadline(time.Now().Add(time.Second))
		ended <- err
	}()
	f, err := keep(ctx, r, o)
	stop() // when the archive was too large, ctr is still writing
	failed := <-ended
	switch {
	case err == nil && failed == nil:
		return f, nil
	case err == nil:
		return nil, errors.Join(failed, f.Close())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, cmp.Or(failed, error(errLeft))
	}
	return nil, err
}
