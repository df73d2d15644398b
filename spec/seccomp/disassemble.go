package seccomp

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Bytes is a program as the kernel takes it, in this machine's byte order.
func Bytes(program []Instruction) []byte {
	var out []byte
	for _, in := range program {
		out = binary.NativeEndian.AppendUint16(out, in.Code)
		out = append(out, in.JT, in.JF)
		out = binary.NativeEndian.AppendUint32(out, in.K)
	}
	return out
}

// Disassemble prints a program, one instruction a line, with the names of what
// numbers mean.
func Disassemble(arch string, program []Instruction) string {
	names := map[uint32]string{}
	for _, s := range syscalls {
		if n, ok := number(arch, s.name); ok {
			names[uint32(n)] = s.name
		}
	}
	loaded := loadedBefore(program)
	var out strings.Builder
	for i, in := range program {
		note := ""
		if loaded[i] == atNumber && in.Code == jumpEqual {
			note = names[in.K]
		}
		text := instructionText(i, in)
		if note != "" {
			text = fmt.Sprintf("%-36s ; %s", text, note)
		}
		fmt.Fprintf(&out, "%4d: %s\n", i, text)
	}
	return out.String()
}

// loadedBefore says of each instruction which word the accumulator holds, as
// far as the instruction that leads to it first knows; -1 where none does.
func loadedBefore(program []Instruction) []int {
	holds := make([]int, len(program)+1)
	for i := range holds {
		holds[i] = -1
	}
	lead := func(to, word int) {
		if to < len(holds) && holds[to] < 0 {
			holds[to] = word
		}
	}
	for i, in := range program {
		switch in.Code {
		case loadWord:
			holds[i+1] = int(in.K)
		case jumpAlways:
			lead(i+1+int(in.K), holds[i])
		case ret:
		default:
			lead(i+1+int(in.JT), holds[i])
			lead(i+1+int(in.JF), holds[i])
		}
	}
	return holds
}

func instructionText(at int, in Instruction) string {
	jump := func(word string) string {
		return fmt.Sprintf("%s #%#x, then %d, else %d", word, in.K, at+1+int(in.JT), at+1+int(in.JF))
	}
	switch in.Code {
	case loadWord:
		return "load " + wordName(in.K)
	case andWith:
		return fmt.Sprintf("and #%#x", in.K)
	case jumpAlways:
		return fmt.Sprintf("go to %d", at+1+int(in.K))
	case jumpEqual:
		return jump("if equal")
	case jumpGreater:
		return jump("if greater")
	case jumpAtLeast:
		return jump("if at least")
	case jumpBits:
		return jump("if any bit of")
	case ret:
		return "return " + answerName(in.K)
	}
	return fmt.Sprintf("code %#x, #%#x, %d, %d", in.Code, in.K, in.JT, in.JF)
}

// wordName names a word of struct seccomp_data; the low half of an argument
// comes first on both architectures.
func wordName(offset uint32) string {
	switch {
	case offset == atNumber:
		return "number"
	case offset == atArch:
		return "architecture"
	case offset >= 16 && offset < 64 && offset%8 == 0:
		return fmt.Sprintf("argument %d, low half", (offset-16)/8)
	case offset >= 16 && offset < 64 && offset%8 == 4:
		return fmt.Sprintf("argument %d, high half", (offset-16)/8)
	}
	return fmt.Sprintf("[%d]", offset)
}

func answerName(k uint32) string {
	const action, data = 0xffff0000, 0xffff
	switch k & action {
	case retAllow:
		return "ALLOW"
	case retKillProcess:
		return "KILL the process"
	case 0:
		return "KILL the thread"
	case retErrno:
		for name, n := range map[string]uint32{"EPERM": eperm, "ENOSYS": enosys, "EAFNOSUPPORT": eafnosupport} {
			if k&data == n {
				return name
			}
		}
		return fmt.Sprintf("errno %d", k&data)
	}
	return fmt.Sprintf("%#x", k)
}
