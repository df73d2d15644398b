package runc

import "github.com/opencontainers/runc/libcontainer"

// sysctls are what is written in a container's own namespaces, beside the rest of
// what init does where that is possible.
type sysctls struct {
	of      *libcontainer.Process
	values  map[string]string
	proc    *ownProcfs
	written chan error // nil before begin
}

// begin opens the namespaces of init, which has to be there and not waited for, and
// begins to write.
func (s *sysctls) begin() {
	pid, err := s.of.Pid()
	if err != nil {
		return // then end does it
	}
	in, err := openInside(pid, s.values)
	if err != nil {
		return
	}
	s.written = make(chan error, 1)
	go func() { s.written <- in.write(s.proc) }()
}

// end waits until it is written, or writes it in the namespaces of pid; 0: it only
// waits for what was begun.
func (s *sysctls) end(pid int) error {
	if s.written != nil {
		return <-s.written
	}
	if pid == 0 {
		return nil
	}
	return writeInside(pid, s.values, s.proc)
}
