package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// order is how a prepared sandbox is told its program: its first process waits
// at the other end of the socket; see initproc/prepared.c.
type order struct {
	child, parent *os.File
	once          sync.Once
	// namespaces are held so that they outlive their last process: the kernel
	// would take mounts, semaphores and interfaces down before it says that it
	// has ended (exit_task_namespaces), and whoever waits for that waits for them.
	namespaces []*os.File
}

// hold opens the namespaces of the first process whose end takes time.
func (o *order) hold(pid int) {
	for _, name := range []string{"mnt", "ipc", "net"} {
		if f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, name)); err == nil {
			o.namespaces = append(o.namespaces, f)
		}
	}
}

func newOrder() (*order, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	return &order{child: os.NewFile(uintptr(fds[0]), "program"), parent: os.NewFile(uintptr(fds[1]), "order")}, nil
}

func (o *order) close() {
	o.child.Close()
	o.parent.Close()
	for _, f := range o.namespaces {
		f.Close()
	}
}

// rawStdio makes pipes that the launcher does not copy from or to.
func rawStdio(uid, gid int) (*stdio, error) {
	s := new(stdio)
	for i := range s.child {
		r, w, err := os.Pipe()
		if err != nil {
			s.close()
			return nil, err
		}
		mine, its := r, w
		if i == 0 {
			mine, its = w, r
		}
		s.child[i], s.parent = its, append(s.parent, mine)
		if err := its.Chown(uid, gid); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// Streams are the launcher's ends of the standard streams of a prepared sandbox:
// what is its input, its output and its errors. The caller closes them.
func (c *Cmd) Streams() (streams [3]*os.File) {
	if c.io != nil && len(c.io.parent) == len(streams) {
		copy(streams[:], c.io.parent)
	}
	return streams
}

// Tell gives a prepared sandbox its program, once, and returns when that has
// been executed, or an *runc.ExecError when it cannot be.
func (c *Cmd) Tell(p *specs.Process) error {
	err := errors.New("it has been told its program already")
	c.order.once.Do(func() { err = c.tellProgram(p) })
	return err
}

func (c *Cmd) tellProgram(p *specs.Process) error {
	defer c.order.parent.Close()
	var text bytes.Buffer
	for _, list := range [][]string{{p.Cwd}, p.Args, p.Env} {
		for _, s := range list {
			text.WriteString(s)
			text.WriteByte(0)
		}
	}
	head := binary.NativeEndian.AppendUint32(nil, uint32(text.Len()))
	head = binary.NativeEndian.AppendUint32(head, uint32(len(p.Args)))
	head = binary.NativeEndian.AppendUint32(head, uint32(len(p.Env)))
	_, err := c.order.parent.Write(append(head, text.Bytes()...))
	var answer [4]byte
	if err == nil {
		_, err = io.ReadFull(c.order.parent, answer[:])
	}
	switch {
	case errors.Is(err, io.EOF): // closed by the execution
		c.begun(p)
		return nil
	case err != nil:
		return problem.New("try again", "the prepared sandbox %s took no program: %w", c.Lease.Name, err)
	}
	why := unix.Errno(binary.NativeEndian.Uint32(answer[:]))
	return &runc.ExecError{Program: p.Args[0], NotFound: why == unix.ENOENT, Reason: why.Error()}
}

// begun writes down what runs in it now, beside it.
func (c *Cmd) begun(p *specs.Process) {
	c.noting.Go(func() {
		_ = c.Lease.store.Update(c.Lease.ID, func(rec *state.Record) { rec.Command = clipCommand(p.Args) })
	})
}

// pooled refuses what would reach the launcher of a sandbox: of a pool, it is
// that of all.
func pooled(rec state.Record) error {
	if rec.Pool == "" {
		return nil
	}
	return problem.New("end who has run something in it (`safe-run run --pool`), or the pool: all of its sandboxes end with it",
		"%s belongs to pool %s, and is not ended by itself", rec.Name, rec.Pool)
}
