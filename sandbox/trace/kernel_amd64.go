package trace

import (
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// maxNumber is above every system call's number.
const maxNumber = 1024

// Where struct pt_regs has the first arguments and the number of a system call
// (arch/x86/include/asm/ptrace.h).
const (
	argument1 = 112
	argument2 = 104
	number    = 120
)

// pathArguments is where a call has the path that it is about.
var pathArguments = map[int]int{
	unix.SYS_ACCESS: argument1, unix.SYS_CHDIR: argument1, unix.SYS_CHMOD: argument1, unix.SYS_CREAT: argument1,
	unix.SYS_EXECVE: argument1, unix.SYS_LINK: argument2, unix.SYS_MKDIR: argument1, unix.SYS_OPEN: argument1,
	unix.SYS_RENAME: argument2, unix.SYS_RMDIR: argument1, unix.SYS_SYMLINK: argument2, unix.SYS_TRUNCATE: argument1,
	unix.SYS_UNLINK: argument1, unix.SYS_UTIMES: argument1, unix.SYS_STAT: argument1, unix.SYS_LSTAT: argument1,
	unix.SYS_READLINK: argument1, unix.SYS_FACCESSAT: argument2, unix.SYS_FACCESSAT2: argument2,
	unix.SYS_FCHMODAT: argument2, unix.SYS_MKDIRAT: argument2, unix.SYS_NEWFSTATAT: argument2, unix.SYS_OPENAT: argument2,
	unix.SYS_READLINKAT: argument2, unix.SYS_STATX: argument2, unix.SYS_UNLINKAT: argument2, unix.SYS_UTIMENSAT: argument2,
	unix.SYS_RENAMEAT: argument2, unix.SYS_RENAMEAT2: argument2, unix.SYS_SETXATTR: argument1, unix.SYS_MKNODAT: argument2,
}

// Where the program has what on its stack, below the frame pointer.
const (
	onStack = -keySize    // the key
	scratch = onStack - 8 // eight bytes
	index   = scratch - 8 // the key of an array
	one     = unix.BPF_NOEXIST
)

// instructions is the program. R6 is its context (registers, result), R7 the
// result, R8 the registers of the call, R9 its number.
func (k *Kernel) instructions(group uint64, level int) asm.Instructions {
	at := func(r asm.Register, offset int32) asm.Instructions {
		return asm.Instructions{asm.Mov.Reg(r, asm.RFP), asm.Add.Imm(r, offset)}
	}
	var p asm.Instructions
	add := func(more ...asm.Instructions) {
		for _, m := range more {
			p = append(p, m...)
		}
	}
	is := func(i ...asm.Instruction) asm.Instructions { return i }

	add(is(asm.Mov.Reg(asm.R6, asm.R1), asm.LoadMem(asm.R7, asm.R6, 8, asm.DWord)))
	for _, errno := range []unix.Errno{unix.EPERM, unix.EACCES, unix.EROFS} {
		add(is(asm.JEq.Imm(asm.R7, -int32(errno), "refused")))
	}
	add(is(asm.Ja.Label("end")))

	// In this control group?
	add(is(asm.Mov.Imm(asm.R1, int32(level)).WithSymbol("refused"), asm.FnGetCurrentAncestorCgroupId.Call(),
		asm.LoadImm(asm.R1, int64(group), asm.DWord), asm.JNE.Reg(asm.R0, asm.R1, "end")))

	// The key: zeroes, the number, the result and the process's name.
	add(is(asm.LoadMem(asm.R8, asm.R6, 0, asm.DWord), asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, scratch, asm.R1, asm.DWord),
		asm.StoreMem(asm.RFP, index, asm.R1, asm.DWord)))
	for offset := 0; offset < keySize; offset += 8 {
		add(is(asm.StoreMem(asm.RFP, int16(onStack+offset), asm.R1, asm.DWord)))
	}
	add(at(asm.R1, scratch), is(asm.Mov.Imm(asm.R2, 8), asm.Mov.Reg(asm.R3, asm.R8), asm.Add.Imm(asm.R3, number), asm.FnProbeReadKernel.Call(),
		asm.LoadMem(asm.R9, asm.RFP, scratch, asm.DWord), asm.StoreMem(asm.RFP, onStack, asm.R9, asm.Word),
		asm.StoreMem(asm.RFP, onStack+atErrno, asm.R7, asm.Word)),
		at(asm.R1, onStack+atName), is(asm.Mov.Imm(asm.R2, nameSize), asm.FnGetCurrentComm.Call()))

	// The path, when the call has one.
	add(is(asm.StoreMem(asm.RFP, index, asm.R9, asm.Word), asm.LoadMapPtr(asm.R1, int(k.paths.file.Fd()))), at(asm.R2, index),
		is(asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "count"), asm.LoadMem(asm.R1, asm.R0, 0, asm.Word), asm.JEq.Imm(asm.R1, 0, "count"),
			asm.Mov.Reg(asm.R3, asm.R8), asm.Add.Reg(asm.R3, asm.R1)), at(asm.R1, scratch),
		is(asm.Mov.Imm(asm.R2, 8), asm.FnProbeReadKernel.Call(), asm.LoadMem(asm.R3, asm.RFP, scratch, asm.DWord)),
		at(asm.R1, onStack+atPath), is(asm.Mov.Imm(asm.R2, pathSize), asm.FnProbeReadUserStr.Call()))

	// One more, or the first.
	add(is(asm.LoadMapPtr(asm.R1, int(k.denied.file.Fd())).WithSymbol("count")), at(asm.R2, onStack),
		is(asm.FnMapLookupElem.Call(), asm.JNE.Imm(asm.R0, 0, "more"),
			asm.Mov.Imm(asm.R1, 1), asm.StoreMem(asm.RFP, scratch, asm.R1, asm.DWord), asm.LoadMapPtr(asm.R1, int(k.denied.file.Fd()))),
		at(asm.R2, onStack), at(asm.R3, scratch), is(asm.Mov.Imm(asm.R4, one), asm.FnMapUpdateElem.Call(), asm.JEq.Imm(asm.R0, 0, "end")))
	// Another processor was first, or there is no room.
	add(is(asm.LoadMapPtr(asm.R1, int(k.denied.file.Fd()))), at(asm.R2, onStack), is(asm.FnMapLookupElem.Call(), asm.JNE.Imm(asm.R0, 0, "more"),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, index, asm.R1, asm.DWord), asm.LoadMapPtr(asm.R1, int(k.lost.file.Fd()))), at(asm.R2, index),
		is(asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "end")))
	add(is(asm.Mov.Imm(asm.R1, 1).WithSymbol("more"), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return()))
	return p
}
