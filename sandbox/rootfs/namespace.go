// Package rootfs assembles the root filesystem of a sandbox in a mount
// namespace of its own, which no other process of the host sees and which the
// kernel takes down, mounts and all, when its last process ends.
package rootfs

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Thread is one operating system thread in a private mount namespace. What
// is forked from it inherits the namespace; the rest of the process stays
// where it was.
//
// The thread lives until Close: a parent-death signal (prctl(2)) follows the
// thread that forked, not the process.
type Thread struct {
	work chan func()
	done chan struct{}
	once sync.Once
}

// NewThread starts a thread in a copy of the mount namespace whose mounts
// receive unmounts from the host but send nothing back.
func NewThread() (*Thread, error) {
	t := &Thread{work: make(chan func()), done: make(chan struct{})}
	ready := make(chan error, 1)
	go t.loop(ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Thread) loop(ready chan<- error) {
	defer close(t.done)
	// Never unlocked: the Go runtime ends a thread whose goroutine returns
	// while locked, so that no other goroutine gets into this namespace.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		ready <- problem.New("run safe-run as root", "unshare the mount namespace: %w", err)
		return
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		// EINVAL says that the root is no mount point. In a chroot(2) the
		// kernel makes no user namespaces either (user_namespaces(7), EPERM).
		ready <- problem.New("run it outside of the chroot; the kernel makes no user namespaces in one",
			"mounts cannot be kept to this container: make / a slave: %w", err)
		return
	}
	ready <- nil
	for f := range t.work {
		f()
	}
}

// Do runs f on the thread and waits for it.
func (t *Thread) Do(f func() error) error {
	var err error
	finished := make(chan struct{})
	t.work <- func() {
		defer close(finished)
		err = f()
	}
	<-finished
	return err
}

// Close ends the thread; again, it does nothing. Processes forked from it keep
// the namespace alive.
func (t *Thread) Close() {
	t.once.Do(func() { close(t.work) })
	<-t.done
}
