package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/BurntSushi/toml"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// run runs ctr. Neither its output nor its time is without bound, and no
// process of its group outlives it.
func (c *containerd) run(ctx context.Context, patience time.Duration, stdout io.Writer, args ...string) error {
	timed, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(timed, c.ctr, append([]string{"--address", c.address, "--namespace", c.namespace}, args...)...)
	var stderr capped
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end := func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.Cancel = end
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return problem.New("install ctr, which comes with containerd", "ctr cannot be run: %w", err)
	}
	err := cmd.Wait()
	_ = end() // what it started; usually there is nothing left
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrWaitDelay):
		return errLeft
	case timed.Err() != nil:
		return problem.New("look at containerd: ctr version", "ctr did not finish in %s", patience)
	case stderr.String() != "":
		return problem.New("look at containerd: ctr version", "containerd says: %s", oneLine(strings.TrimPrefix(stderr.String(), "ctr: ")))
	}
	return problem.New("look at containerd: ctr version", "ctr failed: %w", err)
}

// errLeft says that the pipes to ctr are held open after it has ended.
var errLeft = problem.New("look at containerd: ctr version", "ctr left a process behind")

// maxSaid bounds in bytes what is kept of what another program writes.
const maxSaid = 64 << 10

// capped keeps the first bytes that are written to it. The buffer is not
// embedded: io.Copy would go around Write, with its ReadFrom.
type capped struct{ kept bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	c.kept.Write(p[:min(len(p), maxSaid-c.kept.Len())])
	return len(p), nil
}

func (c *capped) String() string { return c.kept.String() }

// containerdRoot is where containerd keeps what it has, unless it was told
// otherwise.
const containerdRoot = "/var/lib/containerd"

// root is the directory in which the containerd that listens on the socket
// keeps what it has. It does not tell clients, so its command line is read; a
// wrong guess only means that no file is watched.
func (c *containerd) root() string {
	args, err := listener(c.address)
	if err != nil {
		return containerdRoot
	}
	if root := flagOf(args, "--root"); root != "" {
		return root
	}
	file := flagOf(args, "--config")
	if file == "" {
		file = flagOf(args, "-c")
	}
	if file == "" {
		file = "/etc/containerd/config.toml"
	}
	text, err := readBounded(file, bounds.Metadata)
	if err != nil {
		return containerdRoot
	}
	var config struct{ Root string }
	if _, err := toml.Decode(string(text), &config); err == nil && filepath.IsAbs(config.Root) {
		return config.Root
	}
	return containerdRoot
}

// listener gives the command line of the process that listens on a socket.
func listener(address string) ([]string, error) {
	conn, err := net.DialTimeout("unix", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	failed := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(failed, err); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(int(peer.Pid)), "cmdline"))
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00"), err
}

// flagOf is the value of a flag, written --name VALUE or --name=VALUE.
func flagOf(args []string, name string) string {
	for i, arg := range args {
		if value, found := strings.CutPrefix(arg, name+"="); found {
			return value
		}
		if arg == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}
