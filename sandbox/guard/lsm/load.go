package lsm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/guard"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// loaded are the kernel's objects of a guard that is not pinned yet.
type loaded struct {
	marks, paths *ebpf.Map
	links        map[string]link.Link
}

func (l *loaded) close() {
	if l == nil {
		return
	}
	l.marks.Close()
	l.paths.Close()
	for _, one := range l.links {
		one.Close()
	}
}

// load makes the maps, loads each program and attaches it. It holds nobody yet:
// there is no mark.
func load() (*loaded, error) {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, problem.New("boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as Debian's has", "guard: the kernel does not tell its types: %w", err)
	}
	l := &loaded{links: map[string]link.Link{}}
	if l.marks, err = newMarks(); err != nil {
		return nil, refusedLoad("a map of marks", err)
	}
	if l.paths, err = newPaths(); err != nil {
		l.close()
		return nil, refusedLoad("a map of paths", err)
	}
	w := &world{marks: l.marks.FD(), paths: l.paths.FD(), offsets: &offsets{types: types}}
	for _, h := range hooks {
		if err == nil && (!h.optional || asksAt(types, h.name)) {
			code := h.program(w)
			if err = w.wrong; err == nil {
				err = l.attach(h.name, code, types)
			}
		}
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// mostMarks bounds the containers that run at a time: more do not start.
const mostMarks = 1 << 16

func newMarks() (*ebpf.Map, error) {
	return ebpf.NewMap(&ebpf.MapSpec{
		Name: guard.MapName, Type: ebpf.Hash, KeySize: keySize, ValueSize: markSize, MaxEntries: mostMarks, Flags: unix.BPF_F_NO_PREALLOC,
	})
}

func newPaths() (*ebpf.Map, error) {
	tree, err := pathTree(spec.GuardPaths())
	if err != nil {
		return nil, err
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "saferun_paths", Type: ebpf.Hash, KeySize: 8 + nameSize, ValueSize: 8, MaxEntries: uint32(len(tree)),
	})
	if err != nil {
		return nil, err
	}
	for key, value := range tree {
		if err := m.Put(key, value); err != nil {
			m.Close()
			return nil, err
		}
	}
	return m, m.Freeze()
}

// asksAt says whether a kernel asks security modules about a hook.
func asksAt(types *btf.Spec, hook string) bool {
	var place *btf.Func
	return types.TypeByName("bpf_lsm_"+hook, &place) == nil
}

// attach loads a program and has a hook ask it.
func (l *loaded) attach(hook string, code asm.Instructions, types *btf.Spec) error {
	if !asksAt(types, hook) {
		return problem.New("boot Linux 6.1 or later", "guard: this kernel does not ask security modules about %s", hook)
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: programName(hook), Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: hook, Instructions: code, License: "GPL",
	})
	if err != nil {
		return refusedLoad("a BPF program for the hook "+hook, err)
	}
	defer program.Close()
	one, err := link.AttachLSM(link.LSMOptions{Program: program})
	if err != nil {
		return refusedLoad("that a BPF program is asked at "+hook, err)
	}
	l.links[hook] = one
	return nil
}

// programName is at most 15 letters, as the kernel has it.
func programName(hook string) string { return ("sr_" + hook)[:min(15, len(hook)+3)] }

// refusedLoad explains why the kernel does not take the guard.
func refusedLoad(what string, err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) && errno == unix.EPERM {
		return problem.New("it takes a kernel that lets root load BPF programs of type LSM, such as Debian's; safe-run holds containers without the guard as well",
			"guard: this kernel refuses root %s: %w", what, errno)
	}
	return problem.New("look at `safe-run doctor`; safe-run holds containers without the guard as well", "guard: this kernel does not take %s: %w", what, err)
}

// pin puts everything into a directory.
func (l *loaded) pin(dir string) error {
	err := l.marks.Pin(filepath.Join(dir, filepath.Base(guard.MapPath)))
	for name, one := range l.links {
		if err == nil {
			err = one.Pin(filepath.Join(dir, name))
		}
	}
	if err != nil {
		return problem.New("see whether "+guard.FS+" is a bpf filesystem that root may write to", "guard: pin it: %w", err)
	}
	return nil
}

// Where the kernel says what it has.
const (
	modulesFile = "/sys/kernel/security/lsm"
	typesFile   = "/sys/kernel/btf/vmlinux"
)

// Possible says why the guard cannot be switched on here, before anything is tried;
// nil where nothing is known to be against it.
func Possible() error {
	if os.Geteuid() != 0 {
		return problem.New("run it as root", "guard: only root may load programs into the kernel")
	}
	if list, err := os.ReadFile(modulesFile); err == nil && !hasModule(string(list)) {
		return problem.New("boot with lsm="+strings.TrimSpace(string(list))+",bpf", "guard: the BPF security module is not switched on (%s)", strings.TrimSpace(string(list)))
	}
	if _, err := os.Stat(typesFile); err != nil {
		return problem.New("boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as Debian's has", "guard: the kernel does not tell its types: %w", err)
	}
	return nil
}

func hasModule(list string) bool {
	for name := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		if name == "bpf" {
			return true
		}
	}
	return false
}

// Try says why the kernel would not take the guard, by loading one program that
// allows everything, and attaching it nowhere.
func Try() error {
	if err := Possible(); err != nil {
		return err
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "sr_try", Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: hooks[0].name, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return refusedLoad("a BPF program for the hook "+hooks[0].name, err)
	}
	return program.Close()
}
