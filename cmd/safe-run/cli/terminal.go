package cli

import (
	"bytes"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/containerd/console"
)

// session is the user's terminal while the container has one of its own.
type session struct {
	local   console.Console
	resized chan os.Signal
	output  chan struct{} // closed when the container's output has ended
}

// attachTerminal connects the user's terminal to the container's: raw input,
// output as it comes, and the size. detach, when it is not nil, is called once
// the user types the keys that say so. Without a master there is nothing to do.
func attachTerminal(std IO, master *os.File, o runOptions, detach func()) (*session, error) {
	s := &session{output: make(chan struct{})}
	if master == nil {
		close(s.output)
		return s, nil
	}
	remote, err := console.ConsoleFromFile(master)
	if err != nil {
		return nil, err
	}
	if local, err := console.ConsoleFromFile(std.In); err == nil && o.Stdin {
		if err := local.SetRaw(); err != nil {
			return nil, err
		}
		s.local = local
		s.follow(remote)
	}
	go func() {
		defer close(s.output)
		// The read ends with EIO when the last process has closed the other side.
		_, _ = io.Copy(std.Out, master)
	}()
	if o.Stdin {
		keys := &keyWatch{out: master, keys: o.DetachKeys, found: detach}
		go func() { _, _ = io.Copy(keys, std.In) }()
	}
	return s, nil
}

// follow gives the container's terminal the size of the user's, now and
// whenever it changes.
func (s *session) follow(remote console.Console) {
	_ = remote.ResizeFrom(s.local)
	s.resized = make(chan os.Signal, 1)
	signal.Notify(s.resized, syscall.SIGWINCH)
	go func() {
		for range s.resized {
			_ = remote.ResizeFrom(s.local)
		}
	}()
}

// finish waits for the last of the output and gives the terminal back.
func (s *session) finish() {
	<-s.output
	s.restore()
}

// restore gives the user's terminal back as it was.
func (s *session) restore() {
	if s.resized != nil {
		signal.Stop(s.resized)
		close(s.resized)
		s.resized = nil
	}
	if s.local != nil {
		_ = s.local.Reset()
	}
}

// keyWatch passes on what is typed and looks for a sequence of keys in it. The
// beginning of a sequence is held back until it is known not to be one.
type keyWatch struct {
	out   io.Writer
	keys  []byte
	held  int // how many of keys have been seen
	found func()
}

// Write implements io.Writer.
func (k *keyWatch) Write(p []byte) (int, error) {
	if k.found == nil || len(k.keys) == 0 {
		return k.out.Write(p)
	}
	var pass bytes.Buffer
	for _, b := range p {
		if b == k.keys[k.held] {
			if k.held++; k.held == len(k.keys) {
				k.held = 0
				_, err := k.out.Write(pass.Bytes())
				k.found()
				return len(p), err
			}
			continue
		}
		pass.Write(k.keys[:k.held])
		k.held = 0
		if b == k.keys[0] {
			k.held = 1
			continue
		}
		pass.WriteByte(b)
	}
	if pass.Len() == 0 {
		return len(p), nil
	}
	_, err := k.out.Write(pass.Bytes())
	return len(p), err
}
