package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Machine is one virtual machine about to run a command.
type Machine struct {
	Kernel Kernel
	// Init is the program that becomes the machine's first; it must be static, and
	// with the argument GuestVerb it must call guest.Main.
	Init string
	// Files are what the machine's disk has, by their absolute path there; a
	// directory is copied with all that is in it.
	Files map[string]string
	// Modules are loaded beside what the disk takes; what the kernel does not have
	// is left out.
	Modules []string
	// Args is the command, and Env what is added to its environment.
	Args, Env []string
	// Accel is qemu's: "kvm" or "tcg"; empty is kvm where a machine comes up with
	// it.
	Accel string
	// Memory is in MiB; 0 is 1024.
	Memory int
	// Silence is how long the machine may write nothing before it counts as hung;
	// 0 is five minutes.
	Silence time.Duration
	// Line gets each line that the command writes, as it comes. It may be nil.
	Line func(string)
	// Keep is a directory that the files of a machine that failed are left in, in
	// place of those of the one before; without it they are removed.
	Keep string
	// Again is told why an emulated machine is to be started a second time: its
	// kernel died of an exception in itself, or it went off and its kernel had not
	// said so, which may as well be the emulation's.
	// All that Line got is void when it agrees. Without Again no machine is started
	// twice.
	Again func(why string) bool

	mute time.Duration // how long it may take to its first word; 0: as Silence says
}

// GuestVerb is the argument that the machine's first program is started with.
const GuestVerb = "vm-guest"

// Orders is what the guest is told, in the file OrderFile of its disk.
type Orders struct {
	Args []string `json:"args"`
	Env  []string `json:"env"`
}

// OrderFile is where the guest finds its orders.
const OrderFile = "/etc/vm.json"

// Outcome is how a machine ended.
type Outcome struct {
	Code  int           // of the command
	Lines []string      // what it wrote
	Boot  time.Duration // from the start of the machine to the command's
	Took  time.Duration
	Accel string // kvm or tcg
	Spoke bool   // the machine's console said anything
}

// Failure is a machine that did not come to its end.
type Failure struct {
	Why string
	// Console is the end of what the machine said, Command its exact command line,
	// Kept the directory with its files, where it is kept.
	Console, Command, Kept string

	oops bool // an emulated kernel died of an exception in itself, or without a word
}

// Error implements error.
func (f *Failure) Error() string { return "the machine failed: " + f.Why }

// Run starts the machine, waits until it has switched itself off, and gives what
// the command wrote. What a machine wrote that failed is given, too.
func (m Machine) Run(ctx context.Context) (out Outcome, err error) {
	program, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return out, problem.New("apt-get install qemu-system-x86", "machines need qemu: %w", err)
	}
	dir, err := m.directory()
	if err != nil {
		return out, err
	}
	defer func() { err = m.leave(dir, err) }()
	p := partsIn(dir)
	if err := m.makeInitrd(p.initrd); err != nil {
		return out, err
	}
	if err := m.makeDisk(ctx, dir, p.disk); err != nil {
		return out, err
	}
	var failure *Failure
	if m.Accel == "" && haveKVM() {
		tried := m
		tried.Accel, tried.mute = "kvm", mute
		out, err = tried.start(ctx, append([]string{program}, tried.arguments(p)...), p)
		if !errors.As(err, &failure) || out.Spoke {
			return out, err
		}
		// A device that cannot be used, as inside many virtual machines.
		if err := p.clear(); err != nil {
			return out, err
		}
	}
	out, err = m.start(ctx, append([]string{program}, m.arguments(p)...), p)
	if m.Again != nil && errors.As(err, &failure) && failure.oops && m.Again(failure.Why) {
		if err := p.clear(); err != nil {
			return out, err
		}
		out, err = m.start(ctx, append([]string{program}, m.arguments(p)...), p)
	}
	return out, err
}

// directory makes one for the machine's files, where it can be moved to Keep.
func (m Machine) directory() (string, error) {
	if m.Keep == "" {
		return os.MkdirTemp("", "safe-run-vm")
	}
	if err := os.MkdirAll(filepath.Dir(m.Keep), 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(filepath.Dir(m.Keep), "machine")
}

// leave removes the machine's files, or keeps them when it failed.
func (m Machine) leave(dir string, err error) error {
	var failure *Failure
	if m.Keep == "" || !errors.As(err, &failure) {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if wrong := errors.Join(os.RemoveAll(m.Keep), os.Rename(dir, m.Keep)); wrong != nil {
		return errors.Join(err, wrong, os.RemoveAll(dir))
	}
	failure.Kept, failure.Command = m.Keep, strings.ReplaceAll(failure.Command, dir, m.Keep)
	return err
}

// mute is how long a machine on KVM may take to its first word, which takes a
// tenth of a second where KVM works.
const mute = 10 * time.Second

// parts are the files of a machine.
type parts struct{ initrd, disk, console, results string }

func partsIn(dir string) parts {
	at := func(name string) string { return filepath.Join(dir, name) }
	return parts{initrd: at("initrd"), disk: at("disk"), console: at("console"), results: at("results")}
}

// clear removes what a machine has said. Its disk is as it was: what is written to
// it goes elsewhere.
func (p parts) clear() error { return errors.Join(os.RemoveAll(p.console), os.RemoveAll(p.results)) }

// start runs qemu to its end.
func (m Machine) start(ctx context.Context, line []string, p parts) (Outcome, error) {
	ctx, hung := context.WithCancelCause(ctx)
	defer hung(nil)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	// A machine never outlives who started it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return Outcome{}, err
	}
	r := &reader{machine: m, path: p.results, console: p.console, began: began, hung: hung}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { defer close(done); r.follow(stop) }()
	err := cmd.Wait()
	close(stop)
	<-done
	out := Outcome{Code: r.code, Lines: r.lines, Boot: r.boot, Took: time.Since(began), Accel: m.accelerator(), Spoke: r.known > 0}
	switch cause := context.Cause(ctx); {
	case r.ended:
		return out, nil
	case errors.Is(cause, errSilent):
		err = fmt.Errorf("it hung: it wrote nothing for %s", m.silence())
	case ctx.Err() != nil:
		return out, ctx.Err()
	case err == nil:
		err = errOff
	}
	failure := &Failure{Why: err.Error() + firstLine(said.Bytes()), Console: tail(p.console, 60), Command: quoted(line)}
	// A processor that cannot deliver an exception any more is reset, which
	// -no-reboot makes the end of qemu: the kernel has said nothing.
	if errors.Is(err, errOff) && !rebootLine.MatchString(failure.Console) {
		failure.oops = out.Accel == "tcg"
	}
	if m := panicLine.FindStringSubmatch(failure.Console); m != nil {
		failure.Why, failure.oops = "its kernel panicked: "+m[1], false
	}
	if m := oopsLine.FindStringSubmatch(tail(p.console, 200)); m != nil {
		failure.Why = "its kernel died: " + m[1]
		failure.oops = out.Accel == "tcg"
	}
	return out, failure
}

var errOff = errors.New("it went off before its command had ended")

// panicLine is what the kernel's panic begins with (kernel/panic.c), and oopsLine
// what tells of an exception in the kernel itself (arch/x86/kernel/dumpstack.c).
var (
	panicLine = regexp.MustCompile(`Kernel panic - not syncing: ([^\r\n]*)`)
	// rebootLine is what the kernel says before it switches off of its own will
	// (kernel/reboot.c).
	rebootLine = regexp.MustCompile(`reboot: \w+`)
	oopsLine   = regexp.MustCompile(`(Oops: [^\r\n]*|(?:int3|double fault|stack segment|invalid opcode): [0-9a-f]{4} \[#1\][^\r\n]*)`)
)

func firstLine(said []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(said), []byte("\n"))
	if len(line) == 0 {
		return ""
	}
	return ": " + string(line)
}

func (m Machine) silence() time.Duration {
	if m.Silence > 0 {
		return m.Silence
	}
	return 5 * time.Minute
}

// haveKVM says whether KVM may work: there is a device, and the processor says
// that it can (inside many virtual machines there is the device alone).
func haveKVM() bool {
	info, err := os.ReadFile("/proc/cpuinfo")
	able := err == nil && (bytes.Contains(info, []byte(" vmx ")) || bytes.Contains(info, []byte(" svm ")))
	return able && unix.Access("/dev/kvm", unix.R_OK|unix.W_OK) == nil
}

// accelerator is qemu's word for what runs the machine's instructions.
func (m Machine) accelerator() string {
	if m.Accel == "kvm" {
		return m.Accel
	}
	return "tcg"
}

// accel is what runs the machine's instructions. Emulated machines have one
// thread: with one for each processor QEMU 7.2 sometimes loses a breakpoint that
// the kernel writes into its own code, and the machine ends with "Oops: int3".
// And they have no cmpxchg16b: that QEMU computes the flags after it from what the
// last instruction but one left behind, so that an interrupt at the wrong moment
// saves, and returns to, flags that were never set (VM, NT), and the kernel dies
// of a double fault in its allocator. Linux takes another way without it
// (arch/x86/lib/cmpxchg16b_emu.S).
func (m Machine) accel() []string {
	if m.accelerator() == "kvm" {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	return []string{"-accel", "tcg,thread=single", "-cpu", "max,-cx16"}
}

// kernelLine is the kernel's command line. What costs an emulated processor much,
// and no attack of the battery looks at, is off: a console that tells of each
// device, zeros in all memory that is given out, and what keeps processors from
// guessing, of which this one is incapable. Nor is the timer tried out: on a busy
// host the tick that is waited for comes late, and counts as none.
const kernelLine = "console=ttyS0 loglevel=5 panic=-1 no_timer_check mitigations=off init_on_alloc=0 rdinit=/init -- " + GuestVerb

// arguments are qemu's. The first serial line is the kernel's console, the second
// takes what the command writes. What is written to the disk goes to a file that
// has no name, so that a machine can be started again as it was.
func (m Machine) arguments(p parts) []string {
	memory := m.Memory
	if memory == 0 {
		memory = 1024
	}
	return append(m.accel(),
		"-smp", "1", "-m", strconv.Itoa(memory), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", m.Kernel.Image, "-initrd", p.initrd, "-append", kernelLine,
		"-drive", "if=virtio,format=raw,snapshot=on,file="+p.disk,
		"-serial", "file:"+p.console, "-serial", "file:"+p.results,
	)
}

// orders writes the command down for the guest.
func (m Machine) orders() ([]byte, error) { return json.Marshal(Orders{Args: m.Args, Env: m.Env}) }
