package runc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// ProcessOptions is how a process of a container is started.
type ProcessOptions struct {
	// Init makes it the container's first process, which waits just before its
	// program until Bundle.Start.
	Init bool
	// Stdin, Stdout and Stderr are the process's own descriptors. Without them
	// it has pipes, and Pipes gives their other ends.
	Stdin, Stdout, Stderr *os.File
	// Console is a unix socket that receives the master of its terminal, Pidfd
	// one that receives a pidfd of it.
	Console, Pidfd *os.File
	// Listen are sockets handed on (sd_listen_fds(3)), PreserveFDs how many of
	// the caller's own descriptors follow them.
	Listen      []*os.File
	PreserveFDs int
	// Cgroups are groups below the container's own, by controller.
	Cgroups map[string]string
}

// BundleProcess is a process of a container.
type BundleProcess struct {
	process *libcontainer.Process
	pid     int
	// Pipes are the ends of the process's standard streams that are the
	// caller's, when it was started without descriptors of its own.
	Stdin          io.WriteCloser
	Stdout, Stderr io.ReadCloser
}

// Launch starts a process in the container.
func (b *Bundle) Launch(p *specs.Process, o ProcessOptions) (*BundleProcess, error) {
	config := b.container.Config()
	if err := killForeign(config.Seccomp); err != nil {
		return nil, err
	}
	process, err := bundleProcess(p)
	if err != nil {
		return nil, err
	}
	process.Init = o.Init
	process.SubCgroupPaths = o.Cgroups
	process.ConsoleSocket = o.Console
	if err := passFiles(process, o); err != nil {
		return nil, err
	}
	started := &BundleProcess{process: process}
	if err := b.streams(started, o); err != nil {
		return nil, err
	}
	if err := ownLimits(&config, process); err != nil {
		return nil, err
	}
	filter := remembering(&config, FiltersDir)
	defer filter.close()
	if process.PidfdSocket, err = filter.ready(); err != nil { // whose place it takes
		return nil, err
	}
	starts := children.begin(b.joins(o))
	err = b.container.Start(process)
	if err == nil {
		started.pid, err = process.Pid()
	}
	children.end(starts, started.pid)
	closeChildEnds(process, o)
	if err != nil {
		started.closePipes()
		return nil, withoutLandlock(err, filter)
	}
	if err := sendPidfd(o, started.pid); err != nil {
		started.Kill()
		started.closePipes()
		return nil, err
	}
	return started, nil
}

// joins names the pid namespace that a process joins; empty where it is the first
// one, or that of this process.
func (b *Bundle) joins(o ProcessOptions) string {
	if o.Init || !b.hasOwnPids() {
		return ""
	}
	state, err := b.container.State()
	if err != nil {
		return ""
	}
	return pidNamespace(state.InitProcessPid)
}

// sendPidfd sends a pidfd of a process that was started to who asked for one, as
// libcontainer's init would, which has something else in that socket's place.
func sendPidfd(o ProcessOptions, pid int) error {
	if o.Pidfd == nil {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("failed to setup pidfd: %w", os.NewSyscallError("pidfd_open", err))
	}
	defer unix.Close(fd)
	kind := "setns"
	if o.Init {
		kind = "standard"
	}
	if err := unix.Sendmsg(int(o.Pidfd.Fd()), []byte(kind), unix.UnixRights(fd), nil, 0); err != nil {
		return fmt.Errorf("failed to send pidfd on socket: %w", os.NewSyscallError("sendmsg", err))
	}
	return nil
}

// bundleProcess translates what a spec says of a process.
func bundleProcess(p *specs.Process) (*libcontainer.Process, error) {
	process := &libcontainer.Process{
		Args: p.Args, Env: p.Env, Cwd: p.Cwd,
		UID: int(p.User.UID), GID: int(p.User.GID),
		Label: p.SelinuxLabel, AppArmorProfile: p.ApparmorProfile,
		NoNewPrivileges: &p.NoNewPrivileges,
		Scheduler:       p.Scheduler, IOPriority: p.IOPriority,
		LogLevel: strconv.Itoa(int(logrus.GetLevel())),
	}
	if size := p.ConsoleSize; size != nil {
		process.ConsoleWidth, process.ConsoleHeight = uint16(size.Width), uint16(size.Height)
	}
	for _, gid := range p.User.AdditionalGids {
		process.AdditionalGroups = append(process.AdditionalGroups, int(gid))
	}
	if c := p.Capabilities; c != nil {
		process.Capabilities = &configs.Capabilities{
			Bounding: c.Bounding, Effective: c.Effective, Inheritable: c.Inheritable,
			Permitted: c.Permitted, Ambient: c.Ambient,
		}
	}
	var err error
	if process.Rlimits, err = convertRlimits(p.Rlimits); err != nil {
		return nil, err
	}
	process.CPUAffinity, err = configs.ConvertCPUAffinity(p.ExecCPUAffinity)
	return process, err
}

// passFiles hands on sockets, and descriptors by number.
func passFiles(process *libcontainer.Process, o ProcessOptions) error {
	if n := len(o.Listen); n > 0 {
		process.Env = append(process.Env, "LISTEN_FDS="+strconv.Itoa(n), "LISTEN_PID=1")
		process.ExtraFiles = append(process.ExtraFiles, o.Listen...)
	}
	base := 3 + len(process.ExtraFiles)
	for fd := base; fd < base+o.PreserveFDs; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return fmt.Errorf("unable to stat preserved-fd %d (of %d): %w", fd-base, o.PreserveFDs, err)
		}
		process.ExtraFiles = append(process.ExtraFiles, os.NewFile(uintptr(fd), "preserved-"+strconv.Itoa(fd)))
	}
	return nil
}

// streams gives the process its descriptors, or pipes that belong to the
// container's root.
func (b *Bundle) streams(started *BundleProcess, o ProcessOptions) error {
	switch {
	case o.Console != nil:
		return nil
	case o.Stdin != nil:
		started.process.Stdin, started.process.Stdout, started.process.Stderr = o.Stdin, o.Stdout, o.Stderr
		return nil
	}
	config := b.container.Config()
	uid, err := config.HostRootUID()
	if err != nil {
		return err
	}
	gid, err := config.HostRootGID()
	if err != nil {
		return err
	}
	pipes, err := started.process.InitializeIO(uid, gid)
	if err != nil {
		return err
	}
	started.Stdin, started.Stdout, started.Stderr = pipes.Stdin, pipes.Stdout, pipes.Stderr
	return nil
}

// closeChildEnds closes what the process has of its own by now. The caller's
// descriptors are the caller's.
func closeChildEnds(process *libcontainer.Process, o ProcessOptions) {
	if o.Stdin != nil || o.Console != nil {
		return
	}
	for _, end := range []any{process.Stdin, process.Stdout, process.Stderr} {
		if c, ok := end.(io.Closer); ok {
			c.Close()
		}
	}
}

func (p *BundleProcess) closePipes() {
	for _, c := range []io.Closer{p.Stdin, p.Stdout, p.Stderr} {
		if c != nil {
			c.Close()
		}
	}
}

// Pid is the process's id on the host.
func (p *BundleProcess) Pid() int { return p.pid }

// Kill ends the process and waits for it.
func (p *BundleProcess) Kill() {
	_ = p.process.Signal(unix.SIGKILL)
	_, _ = p.process.Wait()
	children.waited(p.pid)
}

// Supervise passes signals on to the process until it has ended, and gives its
// exit status as a shell counts it. It reaps whatever becomes a child of this
// process meanwhile; nothing else may wait for children.
func (p *BundleProcess) Supervise(signals <-chan os.Signal, resized func()) int {
	for s := range signals {
		switch s {
		case unix.SIGWINCH:
			resized()
		case unix.SIGCHLD:
			if status, ended := p.reap(); ended {
				// What Go keeps of the process; it was waited for above.
				_, _ = p.process.Wait()
				return status
			}
		case unix.SIGURG: // Go's own, for its scheduler
		default:
			if err := p.process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				logrus.Error(err)
			}
		}
	}
	return -1
}

// reap waits for every child that has ended.
func (p *BundleProcess) reap() (status int, ended bool) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return status, ended
		}
		if pid == p.pid {
			status, ended = shellStatus(syscall.WaitStatus(ws)), true
		}
	}
}

// shellStatus is 128 and the signal for who was killed.
func shellStatus(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// Adopt makes orphans of the container children of this process.
func Adopt() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// WritePid writes the process's id into a file that is whole as soon as it is
// there.
func (p *BundleProcess) WritePid(path string) error {
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_SYNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(p.pid))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// Connect connects to a unix socket that a descriptor is to be sent over.
func Connect(path string) (*os.File, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.File()
}

// Activated are the sockets that systemd hands to this process
// (sd_listen_fds(3)).
func Activated() []*os.File {
	if pid, err := strconv.Atoi(os.Getenv("LISTEN_PID")); err != nil || pid != os.Getpid() {
		return nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n > 1<<10 {
		return nil
	}
	var files []*os.File
	for fd := 3; fd < 3+n; fd++ {
		unix.CloseOnExec(fd)
		files = append(files, os.NewFile(uintptr(fd), "LISTEN_FD_"+strconv.Itoa(fd)))
	}
	return files
}

// startOf is when a process began, in the kernel's ticks: field 22 of
// /proc/PID/stat (proc_pid_stat(5)).
func startOf(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return startField(string(data))
}

// startField finds field 22. Field 2, the name, may hold spaces and parentheses.
func startField(stat string) (uint64, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, errors.New("the kernel does not say when the process began")
	}
	return strconv.ParseUint(fields[19], 10, 64)
}
