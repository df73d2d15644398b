package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// marker says in the environment that privately has done its work.
const marker = "BENCH_PRIVATE"

// private makes the mount namespace fit for all contestants. crun refuses the
// version 2 part of hybrid cgroups, and gives its standard streams, which are
// /dev/null, to the container's user: so there is another null device here.
const private = `if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
null=$1; shift
mknod -m 666 "$null/null" c 1 3 && mount --bind "$null/null" /dev/null && exec "$0" "$@"`

// privately starts this program again in a mount namespace of its own. It says
// whether it did.
func privately() (_ bool, err error) {
	if os.Getenv(marker) != "" {
		return false, nil
	}
	self, err := os.Executable()
	if err != nil {
		return true, err
	}
	dev, err := os.MkdirTemp("/dev", "bench")
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dev)) }()
	cmd := exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", private, self, dev}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), marker+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	before := takeHost()
	if err := passing(cmd); err != nil {
		return true, errors.Join(errors.New("see above"), before.changed(tidied))
	}
	return true, before.changed(tidied)
}

// passing runs a command to its end, also when this program is told to end: the
// command is told, and then tidies up.
func passing(cmd *exec.Cmd) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(told)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case sig := <-told:
			_ = cmd.Process.Signal(sig) // unshare(1) has become the bench itself
		}
	}
}
