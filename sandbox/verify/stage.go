package verify

import (
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery/predict"
	"github.com/safe-run/safe-run/spec/problem"
)

// stage is what attacks get at where a layer is gone, in a directory that nobody
// but root may look into.
type stage struct {
	predict.Stage
	// abstract is the name of a socket in the host's network.
	abstract string
	closers  []io.Closer
}

// newStage puts it there. A node that cannot be made, as in a container, is left
// out.
func newStage(probe string) (*stage, error) {
	const hint = "give it a directory for temporary files: TMPDIR=/var/tmp safe-run verify --layers"
	dir, err := os.MkdirTemp("", "safe-run-verify-")
	if err != nil {
		return nil, problem.New(hint, "what is attacked cannot be put anywhere: %w", err)
	}
	s := &stage{Stage: predict.Stage{Dir: dir}, abstract: "safe-run-verify-" + rand.Text()}
	err = errors.Join(
		copyFile(probe, filepath.Join(dir, predict.SetUID)),
		os.Mkdir(filepath.Join(dir, predict.Bind), 0o700),
		os.Chmod(filepath.Join(dir, predict.Bind), 0o777),
		s.listen("@"+s.abstract, 0),
		s.listen(filepath.Join(dir, predict.Socket), 0o600),
	)
	if err != nil {
		s.remove()
		return nil, problem.New(hint, "what is attacked cannot be put into %s: %w", dir, err)
	}
	for _, n := range predict.Nodes() {
		at := filepath.Join(dir, predict.NodeFile(n.Name))
		if unix.Mknod(at, unix.S_IFCHR|0o600, int(unix.Mkdev(n.Major, n.Minor))) == nil && os.Chmod(at, 0o666) == nil {
			s.Nodes = append(s.Nodes, n.Name)
		}
	}
	return s, nil
}

func (s *stage) listen(name string, mode os.FileMode) error {
	l, err := net.Listen("unix", name)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, l)
	if mode == 0 {
		return nil
	}
	return os.Chmod(name, mode)
}

// belongTo makes the program set-user-ID of a sandbox's root, whoever that is on
// the host.
func (s *stage) belongTo(p *spec.Plan) error {
	if s == nil {
		return nil
	}
	at := filepath.Join(s.Dir, predict.SetUID)
	// The bit counts only where both are known inside (bprm_fill_uid() in fs/exec.c).
	err := os.Chown(at, rootOf(p.OCI.Linux.UIDMappings), rootOf(p.OCI.Linux.GIDMappings))
	return errors.Join(err, os.Chmod(at, 0o755|os.ModeSetuid)) // chown(2) clears the bit
}

func rootOf(ids []specs.LinuxIDMapping) int {
	for _, m := range ids {
		if m.ContainerID == 0 {
			return int(m.HostID)
		}
	}
	return 0
}

func (s *stage) remove() {
	for _, c := range s.closers {
		c.Close()
	}
	os.RemoveAll(s.Dir)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
