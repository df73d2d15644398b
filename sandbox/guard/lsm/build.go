// Package lsm switches the host's guard on and off: BPF programs of the security
// module that refuse marked processes (package guard) what their filter refuses
// as well. It is linked into safe-run-policy alone.
package lsm

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// Registers that a program keeps across calls.
const (
	ctx  = asm.R6 // its arguments, eight bytes each
	mark = asm.R7 // the mark of the current process's container
)

// Offsets in the mark.
const (
	ofClasses, ofFamilies, ofNetlink, ofPaths = 0, 8, 16, 24

	markSize = 32
	keySize  = 16
)

// Labels that every program has.
const (
	allow = "allow"
	deny  = "deny"
)

// builder writes one program.
type builder struct {
	code   asm.Instructions
	labels int
	next   string // the label of the next instruction
}

func (b *builder) add(list ...asm.Instruction) {
	if b.next != "" && len(list) > 0 {
		list[0] = list[0].WithSymbol(b.next)
		b.next = ""
	}
	b.code = append(b.code, list...)
}

// label gives a new name for a place to jump to, which is put in its place by at.
func (b *builder) label() string {
	b.labels++
	return fmt.Sprintf("at%d", b.labels)
}

func (b *builder) at(label string) {
	if b.next != "" { // two names of one place
		b.add(asm.Mov.Reg(asm.R0, asm.R0))
	}
	b.next = label
}

// mostLevels is how deep pid namespaces can be nested (MAX_PID_NS_LEVEL in
// include/linux/pid_namespace.h).
const mostLevels = 32

// clockTick is what /proc counts times in: USER_HZ is 100.
const clockTick = 10_000_000

// current looks for the mark of the pid namespaces that the current process is in,
// from the outermost one on: however deep it makes new ones, it stays in that of its
// container. Without a mark all is allowed.
func (b *builder) current(w *world) {
	const pid, namespace, key = asm.R8, asm.R9, -24 // of 16 bytes
	found := b.label()
	numbers, size, ns := w.of("pid", "numbers"), w.sizeOf("upid"), w.of("upid", "ns")
	b.add(asm.Mov.Reg(ctx, asm.R1), asm.FnGetCurrentTask.Call())
	b.read(pid, asm.R0, w.of("task_struct", "thread_pid"))
	b.read(mark, pid, w.of("pid", "level"))
	b.add(asm.Mov.Reg32(mark, mark))
	for level := range uint32(mostLevels) {
		// The host's own is the first, and is never marked.
		b.add(asm.JLE.Imm(mark, int32(level), allow))
		b.read(namespace, pid, numbers+(level+1)*size+ns)
		b.read(asm.R1, namespace, w.of("pid_namespace", "ns.inum"))
		b.add(asm.StoreMem(asm.RFP, key, asm.R1, asm.Word), asm.StoreImm(asm.RFP, key+4, 0, asm.Word))
		// Whatever thread is left of the first process, it is the leader's time.
		b.read(namespace, namespace, w.of("pid_namespace", "child_reaper"))
		b.read(namespace, namespace, w.of("task_struct", "group_leader"))
		b.read(asm.R1, namespace, w.of("task_struct", "start_boottime"))
		b.add(
			asm.Div.Imm(asm.R1, clockTick),
			asm.StoreMem(asm.RFP, key+8, asm.R1, asm.DWord),
			asm.LoadMapPtr(asm.R1, w.marks),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, key),
			asm.FnMapLookupElem.Call(),
			asm.JNE.Imm(asm.R0, 0, found),
		)
	}
	b.jump(allow)
	b.at(found)
	b.add(asm.Mov.Reg(mark, asm.R0))
}

// end is the two ways out.
func (b *builder) end() asm.Instructions {
	b.at(allow)
	b.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
	b.at(deny)
	b.add(asm.Mov.Imm(asm.R0, -int32(unix.EPERM)), asm.Return())
	return b.code
}

// argument loads one of the program's arguments, as a number of 32 bits: of an int
// in a register nobody says what is above them.
func (b *builder) argument(to asm.Register, n int16) {
	b.add(asm.LoadMem(to, ctx, 8*n, asm.DWord), asm.Mov.Reg32(to, to))
}

// ifClass jumps when the mark has the class.
func (b *builder) ifClass(bit int, to string) {
	b.add(asm.LoadMem(asm.R1, mark, ofClasses, asm.DWord), asm.JSet.Imm(asm.R1, 1<<bit, to))
}

// ifBit jumps when a word of the mark has the bit whose number is in a register,
// which is less than 64.
func (b *builder) ifBit(word int16, number asm.Register, to string) {
	b.add(asm.LoadMem(asm.R1, mark, word, asm.DWord), asm.RSh.Reg(asm.R1, number), asm.JSet.Imm(asm.R1, 1, to))
}

func (b *builder) jump(to string) { b.add(asm.Ja.Label(to)) }

// scratch is where read puts what it reads.
const scratch = -8

// read loads a pointer or a long from the kernel's memory, which may be any: what
// cannot be read is 0.
func (b *builder) read(to, from asm.Register, offset uint32) {
	b.add(
		asm.Mov.Reg(asm.R3, from),
		asm.Add.Imm(asm.R3, int32(offset)),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, scratch),
		asm.Mov.Imm(asm.R2, 8),
		asm.FnProbeReadKernel.Call(),
		asm.LoadMem(to, asm.RFP, scratch, asm.DWord),
	)
}

// text copies a string of the kernel's to the stack, followed by zeros.
func (b *builder) text(at int16, size int, from asm.Register) {
	b.add(asm.Mov.Reg(asm.R3, from), asm.Mov.Imm(asm.R1, 0))
	for i := range int16(size / 8) {
		b.add(asm.StoreMem(asm.RFP, at+8*i, asm.R1, asm.DWord))
	}
	b.add(
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, int32(at)),
		asm.Mov.Imm(asm.R2, int32(size)),
		asm.FnProbeReadKernelStr.Call(),
	)
}

// offsets are those of members in this kernel's structures.
type offsets struct {
	types *btf.Spec
	wrong error
}

// of gives the offset of a member, "f_path.dentry" of "file"; members without a
// name are looked into.
func (o *offsets) of(structure, path string) uint32 {
	var s *btf.Struct
	if err := o.types.TypeByName(structure, &s); err != nil {
		o.fail(structure, path, err)
		return 0
	}
	offset, members := uint32(0), s.Members
	for name := range strings.SplitSeq(path, ".") {
		at, found, ok := member(members, name, 0)
		if !ok {
			o.fail(structure, path, fmt.Errorf("there is none"))
			return 0
		}
		offset += at
		members = membersOf(found)
	}
	return offset
}

// sizeOf gives the size of a structure.
func (o *offsets) sizeOf(structure string) uint32 {
	var s *btf.Struct
	if err := o.types.TypeByName(structure, &s); err != nil {
		o.fail(structure, "size", err)
		return 0
	}
	return s.Size
}

func (o *offsets) fail(structure, path string, err error) {
	if o.wrong == nil {
		o.wrong = fmt.Errorf("%s of struct %s: %w", path, structure, err)
	}
}

// member looks for one by its name. The depth bounds types that are not ours.
func member(members []btf.Member, name string, depth int) (uint32, btf.Type, bool) {
	if depth > 8 {
		return 0, nil, false
	}
	for _, m := range members {
		if m.Name == name {
			return m.Offset.Bytes(), m.Type, true
		}
		if m.Name == "" {
			if at, found, ok := member(membersOf(m.Type), name, depth+1); ok {
				return m.Offset.Bytes() + at, found, true
			}
		}
	}
	return 0, nil, false
}

func membersOf(t btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}
